//! Is the work of data and parity devices alike? Runs every task of AlexNet
//! over four devices and a spare, and prints each device's time over the mean
//! of the data devices'.
//!
//! `cargo bench -p quorate-lab --bench balance`

use quorate_lab::balance::{self, Work};
use quorate_lab::zoo::{self, Size};
use quorate_model::division::method::Method;
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;

const ROUNDS: usize = 15;
/// Most that a device may take beyond the mean of the data devices.
const LIMIT: f64 = 1.05;

fn print(name: &str, devices: &[Work]) {
    let (data, parity) = devices.split_at(devices.len() - 1);
    let mean = data.iter().map(|work| work.ms).sum::<f64>() / data.len() as f64;
    let ratios: Vec<f64> = devices.iter().map(|work| work.ms / mean).collect();
    let words: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    println!(
        "{name}: {} of {mean:.1} ms, parity {:.3}; worst {worst:.3}, limit {LIMIT}{}",
        words.join(" "),
        parity[0].ms / mean,
        if worst <= LIMIT { "" } else { "  PAST THE LIMIT" }
    );
}

fn main() -> anyhow::Result<()> {
    let bytes = zoo::find("alexnet")?.net(Size::Full).to_bytes(1);
    let staged = Staged::new(Model::read(bytes.into(), &Limits::default())?)?;
    for (name, methods) in
        [("channel, output", &[][..]), ("spatial, output", &[Method::Spatial][..])]
    {
        print(name, &balance::measure(&staged, methods, 4, ROUNDS, &mut |_| ())?);
    }
    Ok(())
}
