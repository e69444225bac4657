//! A gateway as a front end has it: what it takes and gives, how much of it
//! at once, and what happens when nobody waits any more.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use quorate::bundle::{Folder, ModelFile};
use quorate::node::gateway::{AskError, Handle, Ticket};
use quorate::node::runtime;
use quorate_core::frame::{Frame, Hello, Role, Watermark};
use quorate_core::gateway::{GatewayConfig, Notice, RequestError};
use quorate_core::plan::Plans;
use quorate_engine::{Port, Tract};
use quorate_model::tensor::Tensor;
use support::{Bundle, lenet};

const LONG: Duration = Duration::from_secs(60);

fn start(bundle: &Bundle, pending_max: usize) -> Handle {
    let folder = Folder::open(bundle.path("bundle/gateway").as_ref()).unwrap();
    let config = GatewayConfig { pending_max, ..GatewayConfig::default() };
    Handle::start(&folder, Arc::new(Tract::default()), config).unwrap()
}

fn submit(handle: &Handle) -> Result<Ticket, AskError> {
    let input = Tensor::from_f32(vec![1, 1, 28, 28], &[0.5; 28 * 28]).unwrap();
    handle.submit(vec![input], LONG)
}

/// Submits as soon as there is a place.
async fn submit_soon(handle: &Handle) -> Ticket {
    loop {
        match submit(handle) {
            Ok(ticket) => return ticket,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[test]
fn a_front_end_knows_what_goes_in_and_out() {
    let bundle = Bundle::new(1, 0);
    let model = ModelFile::open(&lenet()).unwrap().staged.model.clone();
    let ports = |names: &[String]| -> Vec<Port> {
        let port = |name: &String| {
            let of = &model.graph.types[name];
            Port { name: name.clone(), dtype: of.dtype, shape: of.shape.clone() }
        };
        names.iter().map(port).collect()
    };
    runtime().unwrap().block_on(async {
        let handle = start(&bundle, 1);
        assert_eq!(handle.inputs(), ports(&model.graph.inputs));
        assert_eq!(handle.outputs(), ports(&model.graph.outputs));
        assert_eq!(handle.outputs()[0].shape, [1, 10]);
    });
}

#[test]
fn requests_are_bounded_and_a_dropped_ticket_makes_room() {
    let bundle = Bundle::new(1, 0);
    runtime().unwrap().block_on(async {
        let handle = start(&bundle, 2);
        let (first, second) = (submit(&handle).unwrap(), submit(&handle).unwrap());
        let busy = AskError::Request(RequestError::Busy { got: 2, limit: 2, again_ms: 100 });
        assert_eq!(submit(&handle).unwrap_err(), busy);
        drop(first);
        let third = submit_soon(&handle).await;
        assert_eq!(submit(&handle).unwrap_err(), busy);
        second.cancel();
        let fourth = submit_soon(&handle).await;
        // Nobody was there to answer; now somebody is.
        let mut notices = handle.notices();
        let _worker = bundle.start(0, &[]);
        while notices.recv().await.unwrap() != Notice::Quorate(true) {}
        for ticket in [third, fourth] {
            assert_eq!(ticket.await.unwrap().outputs[0].shape(), [1, 10]);
        }
        assert!(handle.status().quorate);
        let wrong = handle.submit(vec![], LONG).unwrap().await.unwrap_err();
        assert_eq!(wrong, AskError::Request(RequestError::Inputs { got: 0, needed: 1 }));
    });
}

#[test]
fn a_gateway_ends_with_its_handle() {
    let bundle = Bundle::new(1, 0);
    runtime().unwrap().block_on(async {
        let handle = start(&bundle, 1);
        let ticket = submit(&handle).unwrap();
        drop(handle);
        assert_eq!(ticket.await.unwrap_err(), AskError::Ended);
    });
}

/// What a worker hears, by a listener in its place: the marks of a gateway, from
/// its hello to its end.
fn marks(listener: &TcpListener, plans: &Plans) -> Vec<Watermark> {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let read = || {
        let mut length = [0; 4];
        (&stream).read_exact(&mut length).ok()?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        (&stream).read_exact(&mut body).ok()?;
        Frame::decode(body.into()).ok()
    };
    assert!(matches!(read(), Some(Frame::Hello(_))));
    let held = plans.all().iter().map(|plan| plan.id()).collect();
    let hello = Hello { role: Role::Worker, name: "pi-1".to_owned(), plans: held };
    (&stream).write_all(&Frame::Hello(hello).encode().to_bytes()).unwrap();
    let mut marks = Vec::new();
    while let Some(frame) = read() {
        if let Frame::Watermark(mark) = frame {
            marks.push(mark);
        }
    }
    marks
}

#[test]
fn at_its_end_a_gateway_has_the_devices_forget_its_requests() {
    let bundle = Bundle::new(1, 0);
    let folder = Folder::open(bundle.path("bundle/gateway").as_ref()).unwrap();
    let listener = TcpListener::bind(&bundle.hosts[0]).unwrap();
    let heard = std::thread::spawn(move || marks(&listener, &folder.plans));
    runtime().unwrap().block_on(async {
        let handle = start(&bundle, 1);
        let ticket = submit(&handle).unwrap();
        assert!(handle.wait_until(LONG, |status| !status.connected.is_empty()).await);
        handle.close().await;
        assert_eq!(ticket.await.unwrap_err(), AskError::Ended);
    });
    let marks = heard.join().unwrap();
    assert_eq!(marks.last().map(|mark| mark.below), Some(1), "{marks:?}");
}
