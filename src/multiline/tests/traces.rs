//! What the presets make of what programs write. Events are parted by lines of `§`.

use super::*;

#[track_caller]
fn parts(preset: Preset, expected: &str) {
    let rules = Rules::new(&Multiline { preset: Some(preset), ..spec() }).unwrap();
    let expected: Vec<&str> = expected.trim_matches('\n').split("\n§\n").collect();
    let lines = expected.iter().flat_map(|event| event.split('\n')).map(str::as_bytes);
    let found = events(&rules, lines);
    let found: Vec<_> = found.iter().map(|event| event.join(&b'\n')).collect();
    let found: Vec<_> = found.into_iter().map(|event| String::from_utf8(event).unwrap()).collect();
    assert_eq!(found, expected);
}

#[test]
fn java_traces_are_events_with_all_their_causes() {
    parts(
        Preset::Java,
        "
2026-11-21 09:00:00.123 INFO  [main] c.e.Shop - Started in 2.1 s
§
Exception in thread \"main\" java.lang.IllegalStateException: cannot ship order 17
	at com.example.Shop.ship(Shop.java:42)
	at java.base/java.util.Optional.ifPresent(Optional.java:178)
	at com.example.Shop$$Lambda$14/0x0000000800c03000.accept(Unknown Source) ~[shop.jar:1.0]
	Suppressed: java.io.IOException: cannot close
		at com.example.Shop.close(Shop.java:50)
		... 2 more
Caused by: com.example.StockException: nothing there
	at com.example.Stock.take(Stock.java:17)
	... 12 more
Caused by: java.sql.SQLException: connection lost
	at org.h2.Driver.connect(Driver.java:1)
	... 13 common frames omitted
§
2026-11-21 09:00:01.000 INFO  [main] c.e.Shop - Going on
§
2026-11-21 09:00:02.000 INFO  [main] c.e.Shop - And on
",
    );
}

#[test]
fn two_java_traces_in_a_row_are_two_events() {
    parts(
        Preset::Java,
        "
java.lang.NullPointerException
	at com.example.A.a(A.java:1)
§
java.lang.NullPointerException: again
	at com.example.A.a(A.java:1)
§
com.example.OutOfStock: a name that does not say what it is
	at com.example.A.a(A.java:1)
§
2026-11-21 ERROR c.e.Shop - failed: java.lang.OutOfMemoryError: Java heap space
	at com.example.A.a(A.java:1)
§
java.rmi.RemoteException: no answer; nested exception is: 
	java.net.ConnectException: refused
	at com.example.A.a(A.java:1)
§
com.fasterxml.jackson.core.JsonParseException: Unexpected character
 at [Source: (String)\"x\"; line: 1, column: 2]
	at com.example.A.a(A.java:1)
	[CIRCULAR REFERENCE: com.example.Round: again]
§
kotlinx.coroutines.JobCancellationException: stopped
	at com.example.A$a$1.invokeSuspend(A.kt:3)
	(Coroutine boundary)
	at com.example.A.b(A.kt:9)
",
    );
}

#[test]
fn a_java_trace_without_its_beginning_keeps_together() {
    parts(
        Preset::Java,
        "
	at com.example.A.a(A.java:1)
	at com.example.A.b(A.java:2)
Caused by: java.io.IOException
	at com.example.A.c(A.java:3)
§
all is well
§
and well
",
    );
}

#[test]
fn python_tracebacks_are_events_with_what_was_chained() {
    parts(
        Preset::Python,
        "
INFO:root:starting
§
Traceback (most recent call last):
  File \"/app/shop.py\", line 12, in ship
    return STOCK[item]
           ~~~~~^^^^^^
KeyError: 'lamp'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/app/shop.py\", line 30, in <module>
    main()
  [Previous line repeated 996 more times]
  File \"/app/shop.py\", line 14, in ship
    raise ShopError(item) from None
shop.ShopError: lamp

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \"/app/shop.py\", line 31, in <module>
KeyboardInterrupt
§
INFO:root:going on
§
INFO:root:and on
",
    );
}

#[test]
fn two_python_tracebacks_in_a_row_are_two_events() {
    parts(
        Preset::Python,
        "
2026-11-21 09:00:00 ERROR Traceback (most recent call last):
  File \"a.py\", line 1, in <module>
ValueError: x
§
Traceback (most recent call last):
  File \"a.py\", line 1, in f
app.<locals>.OddError
§
Traceback (most recent call last):
  File \"a.py\", line 1, in f
OSError: [Errno 28] No space left on device: 'x'

§
2026-11-21 09:00:01 INFO well
§
Traceback (most recent call last):
  File \"db.py\", line 9, in f
sqlalchemy.exc.IntegrityError: (psycopg2.errors.UniqueViolation) duplicate key
DETAIL:  Key (id)=(1) already exists.
[SQL: INSERT INTO a VALUES (1)]
(Background on this error at: https://sqlalche.me/e/20/gkpj)
§
done
",
    );
}

#[test]
fn python_syntax_errors_keep_their_caret() {
    parts(
        Preset::Python,
        "
starting
§
  File \"/app/shop.py\", line 3
    print(
         ^
SyntaxError: '(' was never closed
§
Traceback (most recent call last):
  File \"/app/main.py\", line 1, in <module>
    import shop
  File \"/app/shop.py\", line 3
    if x
        ^
SyntaxError: expected ':'
§
next
",
    );
}

#[test]
fn python_exception_groups_are_one_event() {
    parts(
        Preset::Python,
        "
  + Exception Group Traceback (most recent call last):
  |   File \"g.py\", line 4, in <module>
  |     raise ExceptionGroup(\"several\", [a, b])
  | ExceptionGroup: several (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File \"g.py\", line 2, in f
    | ValueError: 1
    +---------------- 2 ----------------
    | TypeError: 2
    +------------------------------------
§
INFO: done
",
    );
}

#[test]
fn go_panics_are_events_with_all_their_goroutines() {
    parts(
        Preset::Go,
        "
2026/11/21 09:00:00 listening on :8080
§
panic: runtime error: invalid memory address or nil pointer dereference [recovered]
	panic: cannot go on
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4811a5]

goroutine 1 [running]:
main.(*Shop).Ship(0x0, {0xc000012345, 0x4})
	/src/shop/ship.go:42 +0x25
main.main.func1()
	/src/shop/main.go:9 +0x1d
panic({0x4a2e40?, 0x55c3b0?})
	/usr/local/go/src/runtime/panic.go:770 +0x132
...additional frames elided...
created by net/http.(*Server).Serve in goroutine 1
	/usr/local/go/src/net/http/server.go:3285 +0x4b4

goroutine 18 gp=0xc000007 m=nil [select, 2 minutes, locked to thread]:
runtime.gopark(0x0?, 0x0?, 0x0?, 0x0?, 0x0?)
	/usr/local/go/src/runtime/proc.go:402 +0xce fp=0xc00 sp=0xc00 pc=0x43
exit status 2
§
2026/11/21 09:00:05 listening on :8080
§
2026/11/21 09:00:06 retry (1)
",
    );
}

#[test]
fn two_go_panics_in_a_row_are_two_events() {
    parts(
        Preset::Go,
        "
panic: first

goroutine 1 [running]:
main.main()
	/src/main.go:3 +0x1d
§
panic: second

goroutine 1 [running]:
main.main()
	/src/main.go:3 +0x1d
§
fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.main()
	/src/main.go:3 +0x1d

§
2026/11/21 09:00:00 http: panic serving 127.0.0.1:52345: boom
goroutine 5 [running]:
net/http.(*conn).serve.func1()
	/usr/local/go/src/net/http/server.go:1898 +0xbe
§
goroutine 7 [running]:
runtime/debug.Stack()
	/usr/local/go/src/runtime/debug/stack.go:24 +0x5e
§
runtime: goroutine stack exceeds 1000000000-byte limit
runtime: sp=0xc0200e0390 stack=[0xc0200e0000, 0xc0400e0000]
fatal error: stack overflow

runtime stack:
runtime.throw({0x4733c6?, 0x0?})
	/usr/local/go/src/runtime/panic.go:1023 +0x5c

goroutine 1 [running]:
main.f(...)
	/src/main.go:5
...12345 frames elided...
§
SIGQUIT: quit
PC=0x4605e1 m=0 sigcode=0

goroutine 1 [sleep]:
time.Sleep(0x3b9aca00)
	/usr/local/go/src/runtime/time.go:195 +0x115

rax    0xca
rip    0x4605e1
exit status 2
§
well again
",
    );
}

#[test]
fn ruby_backtraces_are_events() {
    parts(
        Preset::Ruby,
        "
I, [2026-11-21T09:00:00 #1]  INFO -- : starting
§
shop.rb:12:in `ship': nothing there (Shop::StockError)
	from shop.rb:30:in `block in <main>'
	 ... 10058 levels...
	from shop.rb:29:in `<main>'
§
/app/shop.rb:12:in 'Shop#ship': again (RuntimeError)
	from /app/shop.rb:30:in '<main>'
§
E, [2026-11-21T09:00:00 #1] ERROR -- : shop.rb:12:in 'ship': once more (RuntimeError)
	from shop.rb:30:in '<main>'
§
I, [2026-11-21T09:00:01 #1]  INFO -- : going on
§
I, [2026-11-21T09:00:01 #1]  INFO -- : and on
",
    );
}

#[test]
fn ruby_messages_that_show_code_are_one_event() {
    parts(
        Preset::Ruby,
        "
shop.rb:1:in `<main>': undefined method `time' for 1:Integer (NoMethodError)

1.time {}
 ^^^^^
Did you mean?  times
	from shop.rb:9:in `<main>'
§
shop.rb:1:in `<main>': undefined local variable or method `foo' (NameError)
Did you mean?  for
§
well
",
    );
}

#[test]
fn ruby_backtraces_with_the_latest_call_last_are_events() {
    parts(
        Preset::Ruby,
        "
Traceback (most recent call last):
	2: from shop.rb:9:in `<main>'
	1: from shop.rb:6:in `bar'
shop.rb:2:in `foo': boom (RuntimeError)
§
Traceback (most recent call last):
	1: from shop.rb:6:in `bar'
shop.rb:2:in `foo': unhandled exception
§
well
",
    );
}

#[test]
fn rails_errors_are_events() {
    parts(
        Preset::Ruby,
        "
Completed 500 Internal Server Error in 5ms
§
ActionView::Template::Error (undefined method `name' for nil:NilClass):
    1: <h1>
    2: <%= @user.name %>
  
app/views/users/show.html.erb:2:in `_app_views_users_show'
actionpack (7.1.0) lib/action_controller/metal.rb:28:in `call'
§
Started GET \"/\" for 127.0.0.1
",
    );
}

#[test]
fn dotnet_exceptions_are_events_with_their_inner_ones() {
    parts(
        Preset::Dotnet,
        "
09:00:00 starting
§
Unhandled exception. System.InvalidOperationException: cannot ship
 ---> System.ArgumentNullException: Value cannot be null. (Parameter 'item')
   at Shop.Stock.Take(String item) in /src/Stock.cs:line 12
   --- End of inner exception stack trace ---
   at Shop.Program.<Main>g__Ship|0_0() in /src/Program.cs:line 5
--- End of stack trace from previous location ---
   at Shop.Program.Main(String[] args)
§
System.AggregateException: One or more errors occurred. (a) (b)
 ---> System.Exception: a
   at Shop.Program.A()
   --- End of inner exception stack trace ---
   at System.Threading.Tasks.Task.Wait()
 ---> (Inner Exception #1) System.Exception: b
   at Shop.Program.B()<---

§
System.Net.Sockets.SocketException (111): Connection refused
   at System.Net.Sockets.Socket.Connect(EndPoint remote)
§
Shop.OutOfStock: a name that does not say what it is
   at Shop.Program.B()
§
09:00:01 going on
§
09:00:02 and on
",
    );
}

#[test]
fn dotnet_console_logs_are_events() {
    parts(
        Preset::Dotnet,
        "
info: Shop.Program[0]
      Started
fail: Shop.Program[7]
      Cannot ship
      System.Exception: boom
         at Shop.Program.Main()
"
        .replace("fail:", "§\nfail:")
        .as_str(),
    );
    parts(
        Preset::Dotnet,
        "
Stack overflow.
   at Shop.Program.F(Int32)
Repeat 16044 times:
--------------------------------
   at Shop.Program.F(Int32)
--------------------------------
   at Shop.Program.Main()
§
System.AggregateException: One or more errors occurred.
---> (Inner Exception #0) System.Exception: a
   at Shop.Program.A()
<---

---> (Inner Exception #1) System.Exception: b
   at Shop.Program.B()
<---
§
well
",
    );
}

#[test]
fn lines_that_are_no_trace_are_not_held_back() {
    for (name, preset) in Preset::ALL {
        let rules = Rules::new(&Multiline { preset: Some(*preset), ..spec() }).unwrap();
        for line in ["", "2026-11-21 09:00:00 INFO well", "  indented", "{\"a\": 1}", "GET / 200"] {
            let border = see(&rules, &mut Flow::default(), line.as_bytes());
            assert_eq!(border, Border { begins: true, ends: true }, "{name}: {line}");
        }
    }
}
