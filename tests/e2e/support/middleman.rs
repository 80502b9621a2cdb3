//! Stands between clients and a Kafka of one broker, and tells them who belongs to the cluster:
//! itself, or nobody, as brokers do whom the controller has lost sight of.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

const METADATA: [u8; 2] = [0, 3];
/// The first version of the layout that is known here; clients and brokers of today use no older one.
const FLEXIBLE: u8 = 9;

pub(crate) struct Middleman {
    port: u16,
    /// How many answers are still to name nobody.
    empty: Arc<AtomicU32>,
}

impl Middleman {
    /// It answers for as long as the process lives.
    pub(crate) fn before(broker: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a port");
        let port = listener.local_addr().expect("it is bound").port();
        let empty = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&empty);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A broker that is not there: the client finds the connection closed.
                let Ok(broker) = TcpStream::connect(&broker) else { continue };
                Talk { client, broker, port, empty: Arc::clone(&told) }.begin();
            }
        });
        Self { port, empty }
    }

    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The next answer that tells of a topic says that nobody belongs to the cluster.
    pub(crate) fn empty_one(&self) {
        self.empty.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether none is still to come.
    pub(crate) fn has_emptied(&self) -> bool {
        self.empty.load(Ordering::Acquire) == 0
    }
}

struct Talk {
    client: TcpStream,
    broker: TcpStream,
    port: u16,
    empty: Arc<AtomicU32>,
}

impl Talk {
    fn begin(self) {
        let Self { mut client, mut broker, port, empty } = self;
        let (mut from, mut to) = (clone(&client), clone(&broker));
        let asked: Arc<Mutex<HashSet<Vec<u8>>>> = Arc::default();
        let notes = Arc::clone(&asked);
        thread::spawn(move || {
            while let Ok(request) = frame(&mut from) {
                if request[..2] == METADATA {
                    assert!(request[3] >= FLEXIBLE, "version {}", request[3]);
                    let id = request[4..8].to_vec();
                    notes.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                }
                if send(&mut to, &request).is_err() {
                    break;
                }
            }
            to.shutdown(Shutdown::Both).ok();
        });
        thread::spawn(move || {
            while let Ok(mut answer) = frame(&mut broker) {
                let asked = || asked.lock().unwrap_or_else(PoisonError::into_inner);
                if asked().remove(&answer[..4]) {
                    answer = told(&answer, port, &empty);
                }
                if send(&mut client, &answer).is_err() {
                    break;
                }
            }
            client.shutdown(Shutdown::Both).ok();
        });
    }
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a descriptor is left")
}

/// What is told of a cluster, with other words of who belongs to it.
fn told(answer: &[u8], port: u16, empty: &AtomicU32) -> Vec<u8> {
    // Number, tags, and how long to wait.
    const HEAD: usize = 4 + 1 + 4;
    let (head, mut rest) = answer.split_at(HEAD);
    let brokers = varint(&mut rest) - 1;
    let mut id = [0; 4];
    for _ in 0..brokers {
        id = take(&mut rest, 4).try_into().expect("four bytes");
        let host = varint(&mut rest) - 1;
        take(&mut rest, host + 4);
        let rack = varint(&mut rest).saturating_sub(1);
        take(&mut rest, rack);
        assert_eq!(varint(&mut rest), 0, "tags of a broker");
    }
    let mut out = head.to_vec();
    if tells_of_a_topic(rest)
        && empty
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
            .is_ok()
    {
        out.push(1);
    } else {
        let host = b"127.0.0.1";
        out.push(2);
        out.extend(id);
        out.push(u8::try_from(host.len() + 1).expect("short"));
        out.extend(host);
        out.extend(i32::from(port).to_be_bytes());
        out.extend([0, 0]);
    }
    out.extend(rest);
    out
}

/// Of what follows the brokers: the cluster's id, its controller, the topics.
fn tells_of_a_topic(mut rest: &[u8]) -> bool {
    let cluster = varint(&mut rest).saturating_sub(1);
    take(&mut rest, cluster + 4);
    varint(&mut rest) > 1
}

fn take<'b>(bytes: &mut &'b [u8], len: usize) -> &'b [u8] {
    let (taken, rest) = bytes.split_at(len);
    *bytes = rest;
    taken
}

fn varint(bytes: &mut &[u8]) -> usize {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn frame(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let mut frame = vec![0; u32::from_be_bytes(len) as usize];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

fn send(to: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let len = u32::try_from(frame.len()).expect("a frame's length");
    to.write_all(&[&len.to_be_bytes(), frame].concat())
}
