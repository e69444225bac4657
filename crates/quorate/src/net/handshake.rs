//! From a connection to a peer: both sides say hello, and each finds out who
//! the other one is.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use quorate_core::admit::Peer;
use quorate_core::frame::{Frame, HEAD_BYTES_MAX, Hello, Role};
use quorate_core::id::{DeviceId, PlanId};
use quorate_core::plan::Plans;
use tokio::io::AsyncWriteExt;

use super::local::Local;
use super::reader::Reader;
use super::stream::{Stream, WriteHalf};
use super::traffic::{Counted, Traffic};

/// Time a peer has to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(1);
/// Time within which a peer that has begun a frame has to send some more of it.
const STALL: Duration = Duration::from_secs(2);

/// Where frames go out.
pub(super) type Writer = Counted<WriteHalf>;

/// Who opened a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opened {
    /// This process, to this device.
    Here(DeviceId),
    /// The other side, which may be anybody.
    There,
}

/// A connection whose other side is known.
pub(super) struct Greeted {
    /// The other side.
    pub(super) peer: Peer,
    /// The plans of its bundle.
    pub(super) plans: Vec<PlanId>,
    /// Where its frames come in.
    pub(super) reader: Reader,
    /// Where frames to it go out.
    pub(super) writer: Writer,
    /// What comes over it.
    pub(super) traffic: Arc<Traffic>,
}

/// Says hello and hears the other side's. Who dials speaks first; who is
/// dialled says nothing to strangers.
pub(super) async fn greet(
    stream: Stream,
    local: &Local,
    opened: Opened,
) -> anyhow::Result<Greeted> {
    let (read, write) = stream.into_halves();
    let traffic = Arc::new(Traffic::new(local.total.clone()));
    let (read, mut writer) =
        (Counted::new(read, traffic.clone()), Counted::new(write, traffic.clone()));
    // Until the peer has said who it is, it gets no room for more than that.
    let mut reader = Reader::new(read, HEAD_BYTES_MAX, local.carrier.stretch(STALL));
    let mut own = Frame::Hello(local.hello.clone()).encode().into_buf();
    if let Opened::Here(_) = opened {
        writer.write_all_buf(&mut own).await?;
        writer.flush().await?;
    }
    let hello = read_hello(&mut reader, local.carrier.stretch(HELLO_TIMEOUT)).await?;
    let peer = identify(&local.plans, &hello, opened)?;
    if let Opened::There = opened {
        writer.write_all_buf(&mut own).await?;
        writer.flush().await?;
    }
    reader.allow(local.frame_bytes_max);
    Ok(Greeted { peer, plans: hello.plans, reader, writer, traffic })
}

async fn read_hello(reader: &mut Reader, patience: Duration) -> anyhow::Result<Hello> {
    let first = async {
        let length = reader.length().await?.context("closed before hello")?;
        anyhow::Ok(reader.body(length).await?)
    };
    let bytes = tokio::time::timeout(patience, first).await.context("no hello in time")??;
    match Frame::decode(bytes)? {
        Frame::Hello(hello) => Ok(hello),
        _ => bail!("first frame is no hello"),
    }
}

fn identify(plans: &Plans, hello: &Hello, opened: Opened) -> anyhow::Result<Peer> {
    match (opened, &hello.role) {
        (Opened::Here(device), Role::Worker) if hello.name == plans.device_name(device) => {
            Ok(Peer::Device(device))
        }
        (Opened::Here(device), _) => {
            bail!("answers as {:?}, expected {:?}", hello.name, plans.device_name(device))
        }
        (Opened::There, Role::Gateway(run)) => Ok(Peer::Gateway(*run)),
        (Opened::There, Role::Worker) => {
            let device = plans.cluster().find(&hello.name);
            device.map(Peer::Device).with_context(|| format!("no device {:?} in plan", hello.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use quorate_core::id::GatewayRun;

    use super::*;
    use crate::memory::Memory;
    use crate::net::stream::Carrier;

    const RUN: GatewayRun = GatewayRun { gateway: 3, epoch: 1 };

    /// Devices a to e.
    fn plans() -> Arc<Plans> {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plans/alexnet-5.toml");
        Arc::new(Plans::parse(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// What each side of one connection finds out: who dialled `b`, and who
    /// answered.
    fn meet(dials: (Role, &str), answers: (Role, &str)) -> [Result<Peer, String>; 2] {
        let plans = plans();
        let memory = Memory::of(1 << 20);
        let local =
            |(role, name): (Role, &str)| Local::new(role, name, &plans, Carrier::Plain, memory);
        let (dials, answers) = (local(dials), local(answers));
        let device = plans.cluster().find("b").unwrap();
        let (here, there) = Stream::pair();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let both = async {
            let dialled = greet(here, &dials, Opened::Here(device));
            tokio::join!(dialled, greet(there, &answers, Opened::There))
        };
        let (dialled, accepted) = runtime.block_on(both);
        [dialled, accepted].map(|end| end.map(|to| to.peer).map_err(|error| error.to_string()))
    }

    #[test]
    fn both_sides_find_out_who_the_other_is() {
        let [a, b] = ["a", "b"].map(|name| Peer::Device(plans().cluster().find(name).unwrap()));
        let met = meet((Role::Worker, "a"), (Role::Worker, "b"));
        assert_eq!(met, [Ok(b), Ok(a)]);
        let met = meet((Role::Gateway(RUN), ""), (Role::Worker, "b"));
        assert_eq!(met, [Ok(b), Ok(Peer::Gateway(RUN))]);
    }

    #[test]
    fn only_the_device_that_was_dialled_may_answer() {
        let [dialled, _] = meet((Role::Gateway(RUN), ""), (Role::Worker, "c"));
        assert_eq!(dialled.unwrap_err(), "answers as \"c\", expected \"b\"");
        let [dialled, _] = meet((Role::Worker, "a"), (Role::Gateway(RUN), "b"));
        assert!(dialled.is_err(), "a gateway is no device");
    }

    #[test]
    fn strangers_are_told_nothing() {
        let [dialled, accepted] = meet((Role::Worker, "nobody"), (Role::Worker, "b"));
        assert_eq!(dialled.unwrap_err(), "closed before hello");
        assert_eq!(accepted.unwrap_err(), "no device \"nobody\" in plan");
    }
}
