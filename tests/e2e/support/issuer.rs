//! An issuer of tokens (OIDC, client credentials), over HTTP or HTTPS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};
use serde_json::json;

use super::guard::{Guard, Papers};
use super::mint::{Mint, forged};
use super::ports::Port;

pub(crate) const CLIENT_SECRET: &str = "canary-of-the-client";

/// How it answers.
pub(crate) struct Manner {
    pub(crate) lifetime_s: u64,
    pub(crate) forges: bool,
    /// Instead of a token.
    pub(crate) body: Option<&'static str>,
}

/// Answers while it is open; its address stays.
pub(crate) struct Issuer<'g> {
    guard: &'g Guard,
    port: Port,
    tls: Option<Papers>,
    manner: Arc<Mutex<Manner>>,
    given: Arc<AtomicUsize>,
    open: Option<Open>,
}

struct Open {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl<'g> Issuer<'g> {
    /// Its clients are called as the subjects of their tokens are.
    pub(crate) fn open(guard: &'g Guard) -> Self {
        Self::of(guard, None)
    }

    pub(crate) fn open_with(guard: &'g Guard, papers: Papers) -> Self {
        Self::of(guard, Some(papers))
    }

    fn of(guard: &'g Guard, tls: Option<Papers>) -> Self {
        let manner = Manner { lifetime_s: 3600, forges: false, body: None };
        let manner = Arc::new(Mutex::new(manner));
        let (port, given) = (Port::reserve(), Arc::default());
        let mut issuer = Self { guard, port, tls, manner, given, open: None };
        issuer.reopen();
        issuer
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/token", self.port.address())
    }

    pub(crate) fn manner(&self) -> MutexGuard<'_, Manner> {
        self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tokens it has given.
    pub(crate) fn given(&self) -> usize {
        self.given.load(Ordering::Acquire)
    }

    pub(crate) fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        open.is_over.store(true, Ordering::Release);
        // Nobody else may come any more.
        TcpStream::connect(self.port.address()).ok();
        open.thread.join().expect("an issuer does not panic");
    }

    pub(crate) fn reopen(&mut self) {
        let listener = TcpListener::bind(self.port.address()).expect("the port is ours");
        let is_over = Arc::new(AtomicBool::new(false));
        let acceptor = self.tls.as_ref().map(acceptor);
        let desk = Desk {
            mint: self.guard.mint(),
            manner: Arc::clone(&self.manner),
            given: Arc::clone(&self.given),
        };
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
                match &acceptor {
                    None => desk.serve(stream),
                    // Who does not trust us hangs up.
                    Some(acceptor) => drop(acceptor.accept(stream).map(|s| desk.serve(s))),
                }
            }
        });
        self.open = Some(Open { is_over, thread });
    }
}

impl Drop for Issuer<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

fn acceptor(papers: &Papers) -> SslAcceptor {
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls()).expect("memory");
    acceptor.set_certificate_chain_file(&papers.certificate).expect("a certificate");
    acceptor.set_private_key_file(&papers.key, SslFiletype::PEM).expect("a key");
    acceptor.build()
}

struct Desk {
    mint: Arc<Mint>,
    manner: Arc<Mutex<Manner>>,
    given: Arc<AtomicUsize>,
}

impl Desk {
    fn serve(&self, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        let Some((status, body)) = asked(&mut stream).map(|asked| self.answer(&asked)) else {
            return;
        };
        let head = "Content-Type: application/json\r\nConnection: close";
        let answer = format!(
            "HTTP/1.1 {status} said\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.get_mut().write_all(answer.as_bytes()).ok();
    }

    fn answer(&self, asked: &Asked) -> (u16, String) {
        let manner = self.manner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(body) = manner.body {
            return (200, body.to_owned());
        }
        let is_right = asked.line.starts_with("POST /token HTTP/1.1")
            && asked.form == "grant_type=client_credentials&scope=produce%20logs";
        if !is_right {
            return (400, json!({"error": "invalid_request"}).to_string());
        }
        let Some((client, _)) =
            asked.credentials.split_once(':').filter(|(_, secret)| *secret == CLIENT_SECRET)
        else {
            // An issuer should not say this; we should not either.
            let said = format!("who is {}", asked.credentials);
            let said = json!({"error": "invalid_client", "error_description": said});
            return (401, said.to_string());
        };
        self.given.fetch_add(1, Ordering::AcqRel);
        let token = self.mint.token(client, manner.lifetime_s);
        let token = if manner.forges { forged(&token) } else { token };
        let said = json!({
            "access_token": token, "token_type": "Bearer", "expires_in": manner.lifetime_s,
        });
        (200, said.to_string())
    }
}

struct Asked {
    line: String,
    credentials: String,
    form: String,
}

fn asked(stream: &mut impl BufRead) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let mut lines = lines.iter().filter_map(|line| line.split_once(": "));
        lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.to_owned()))
    };
    let length: usize = header("content-length")?.parse().ok()?;
    let mut form = vec![0; length];
    stream.read_exact(&mut form).ok()?;
    let basic = header("authorization").unwrap_or_default();
    let credentials = STANDARD.decode(basic.trim_start_matches("Basic ")).ok()?;
    Some(Asked {
        line: lines.first()?.clone(),
        credentials: String::from_utf8(credentials).ok()?,
        form: String::from_utf8(form).ok()?,
    })
}
