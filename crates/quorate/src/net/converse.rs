//! A connection with a peer, from hello to end.

use std::sync::Arc;

use quorate_core::frame::Frame;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::event::NetEvent;
use super::handshake::{Greeted, Writer};
use super::incoming::{Entry, Incoming};
use super::link::Link;
use super::outbox::Outbox;
use super::reader::Reader;

/// Tells of a connection, carries frames both ways until one side ends it, and
/// tells of its end. Says why it ended.
pub(super) async fn converse(
    greeted: Greeted,
    outbox: Arc<Outbox>,
    incoming: &Incoming,
    events: &mpsc::Sender<NetEvent>,
) -> anyhow::Error {
    let Greeted { peer, plans, reader, writer, traffic } = greeted;
    let (link, entry) = (Link::new(peer, outbox, traffic), incoming.join(peer));
    if events.send(NetEvent::Up(link.clone(), plans)).await.is_err() {
        return anyhow::anyhow!("this process ends");
    }
    let end = tokio::select! {
        error = read_frames(reader, &link, &entry, events) => error,
        error = write_frames(writer, link.outbox()) => error.context("writing"),
        () = link.closed() => anyhow::anyhow!("closed here"),
    };
    // If nobody takes it, this process ends.
    let _ = events.send(NetEvent::Down(link)).await;
    end
}

async fn read_frames(
    mut reader: Reader,
    link: &Link,
    entry: &Entry,
    events: &mpsc::Sender<NetEvent>,
) -> anyhow::Error {
    loop {
        let read = async {
            let Some(length) = reader.length().await? else { return Ok(None) };
            let room = entry.room(length).await;
            let frame = Frame::decode(reader.body(length).await?)?;
            anyhow::Ok(Some((frame, room)))
        };
        let (frame, room) = match read.await {
            Ok(Some(read)) => read,
            Ok(None) => return anyhow::anyhow!("closed by the other side"),
            Err(error) => return error.context("reading"),
        };
        if events.send(NetEvent::Frame(link.clone(), frame, room)).await.is_err() {
            return anyhow::anyhow!("this process ends");
        }
    }
}

async fn write_frames(mut writer: Writer, outbox: &Outbox) -> anyhow::Error {
    loop {
        // It takes its room until it is out.
        let (frame, _charge) = outbox.next().await;
        let mut frame = frame.into_buf();
        let written = writer.write_all_buf(&mut frame).await;
        // A flush ends a message, for a carrier that has to know.
        let sent = match written {
            Ok(()) => writer.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            return error.into();
        }
    }
}
