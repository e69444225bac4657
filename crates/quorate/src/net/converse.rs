//! A connection with a peer, from hello to end.

use std::sync::Arc;

use futures_util::StreamExt;
use quorate_core::frame::Frame;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::event::NetEvent;
use super::handshake::{Greeted, Reader, Writer};
use super::link::Link;
use super::outbox::Outbox;

/// Tells of a connection, carries frames both ways until one side ends it, and
/// tells of its end. Says why it ended.
pub(super) async fn converse(
    greeted: Greeted,
    outbox: Arc<Outbox>,
    events: &mpsc::Sender<NetEvent>,
) -> anyhow::Error {
    let Greeted { peer, plans, reader, writer, traffic } = greeted;
    let link = Link::new(peer, outbox, traffic);
    if events.send(NetEvent::Up(link.clone(), plans)).await.is_err() {
        return anyhow::anyhow!("this process ends");
    }
    let end = tokio::select! {
        error = read_frames(reader, &link, events) => error,
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
    events: &mpsc::Sender<NetEvent>,
) -> anyhow::Error {
    while let Some(bytes) = reader.next().await {
        let frame = match bytes {
            Ok(bytes) => Frame::decode(bytes.freeze()),
            Err(error) => return anyhow::Error::new(error).context("reading"),
        };
        match frame {
            Ok(frame) => {
                if events.send(NetEvent::Frame(link.clone(), frame)).await.is_err() {
                    return anyhow::anyhow!("this process ends");
                }
            }
            Err(error) => return anyhow::Error::new(error).context("reading"),
        }
    }
    anyhow::anyhow!("closed by the other side")
}

async fn write_frames(mut writer: Writer, outbox: &Outbox) -> anyhow::Error {
    loop {
        let mut frame = outbox.next().await.into_buf();
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
