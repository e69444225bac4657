//! What comes from outside may be anything; nobody else is disturbed.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use quorate_core::frame::{Data, Frame, Hello, Role};
use quorate_core::id::{DeviceSet, GatewayRun, PlanId, RequestId, ValueId};
use quorate_core::plan::Plans;
use quorate_model::tensor::DType;
use support::Bundle;

const RUN: GatewayRun = GatewayRun { gateway: 3, epoch: 1 };

fn connect(bundle: &Bundle, device: usize) -> TcpStream {
    let stream = TcpStream::connect(&bundle.hosts[device]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Reads until the worker closes the connection.
fn assert_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}

fn hello() -> Frame {
    Frame::Hello(Hello { role: Role::Gateway(RUN), name: String::new(), plans: vec![] })
}

fn input(plans: &Plans) -> Data {
    Data {
        input: true,
        request: RequestId { run: RUN, number: 0 },
        attempt: 0,
        plan: plans.main().id(),
        members: plans.everybody(),
        suspects: DeviceSet::default(),
        checks: Default::default(),
        of_decoded: false,
        deadline_left_us: 1_000_000,
        value: ValueId(0),
        shard: 0,
        place: (0, 1),
        dtype: DType::F32,
        shape: vec![1, 1, 28, 28],
        payload: Bytes::from(vec![0; 28 * 28 * 4]).into(),
    }
}

#[test]
fn garbage_closes_its_own_connection_only() {
    let bundle = Bundle::new(2, 1);
    let mut workers: Vec<_> = (0..3).map(|device| bundle.start(device, &["-v"])).collect();
    let mut flipped = hello().encode().to_bytes().to_vec();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let cases: [(&[u8], &str); 4] = [
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes, limit 4096"),
        (&[0xff; 64], "a frame of 4294967295 bytes, limit 4096"),
        (&[0, 0, 0, 8, b'Q', b'R', 9, 1, 0, 0, 0, 0], "frame version 9, this program speaks 3"),
        (&flipped, "frame checksum"),
    ];
    for (bytes, words) in cases {
        let mut stream = connect(&bundle, 0);
        stream.write_all(bytes).unwrap();
        assert_closed(stream);
        workers[0].await_line(words);
    }
    bundle.assert_answers(&[]);
}

#[test]
fn frames_that_break_the_plan_are_refused() {
    let bundle = Bundle::new(2, 1);
    let mut workers: Vec<_> = (0..3).map(|device| bundle.start(device, &["-v"])).collect();
    let text = std::fs::read_to_string(bundle.path("plan.toml")).unwrap();
    let plans = Plans::parse(&text).unwrap();
    let good = input(&plans);
    let cases: [(Data, &str); 4] = [
        (Data { place: (0, 0), ..good.clone() }, "rows (0, 0) of shard 0"),
        (
            Data {
                shape: vec![1, 1, 1, 1],
                payload: Bytes::from(vec![0; 4]).into(),
                ..good.clone()
            },
            "plan says f32 [1, 1, 28, 28]",
        ),
        (Data { value: ValueId(99), ..good.clone() }, "value 99"),
        (Data { members: DeviceSet::first(2), ..good.clone() }, "has 3 seats"),
    ];
    for (data, words) in cases {
        let mut stream = connect(&bundle, 0);
        stream.write_all(&hello().encode().to_bytes()).unwrap();
        stream.write_all(&Frame::Data(data).encode().to_bytes()).unwrap();
        workers[0].await_line(words);
        assert_closed(stream);
    }
    // Another plan is an operator's mistake: the connection stays.
    let mut stream = connect(&bundle, 0);
    stream.write_all(&hello().encode().to_bytes()).unwrap();
    let stray = Data { plan: PlanId(1), ..good };
    stream.write_all(&Frame::Data(stray).encode().to_bytes()).unwrap();
    workers[0].await_line("plan 0000000000000001 is not in this bundle");
    bundle.assert_answers(&[]);
}

/// Connections that never say hello hold nobody up.
#[test]
fn silent_connections_are_closed() {
    let bundle = Bundle::new(1, 0);
    let _worker = bundle.start(0, &[]);
    let silent: Vec<TcpStream> = (0..20).map(|_| connect(&bundle, 0)).collect();
    bundle.assert_answers(&[]);
    silent.into_iter().for_each(assert_closed);
}
