//! Several emulated devices of this machine, from the side of who starts them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::builtin::{network, profile};
use super::medium::Medium;
use super::overruns::count_overruns;
use super::settings::Emulation;

/// Several emulated devices of this machine on one emulated network.
#[derive(Debug)]
pub struct EmulatedCluster {
    devices: Vec<String>,
    network: String,
    gateway: Emulation,
    folder: PathBuf,
}

impl EmulatedCluster {
    /// `count` devices: all of them `devices[0]`, or each what its place says;
    /// names of profiles or files. Notes overruns in `folder`. Must be called
    /// on the runtime, which a shared medium is served by from then on.
    pub async fn start(
        devices: &[String],
        count: usize,
        network_name: &str,
        dilation: f64,
        seed: u64,
        folder: &Path,
    ) -> anyhow::Result<EmulatedCluster> {
        let names: Vec<String> = match devices {
            [one] => vec![one.clone(); count],
            several => several.to_vec(),
        };
        let got = names.len();
        ensure!(got == count, "{got} devices to emulate, there are {count}: name one, or {count}");
        for name in &names {
            profile(name)?;
        }
        let first = names.first().context("no device to emulate")?;
        let mut gateway = Emulation::new(profile(first)?, network(network_name)?);
        gateway.dilation = dilation;
        gateway.seed = seed;
        gateway.overruns = Some(folder.join("gateway.overruns"));
        if gateway.network.shared {
            let medium = Medium::bind("127.0.0.1:0").await.context("the medium's port")?;
            gateway.medium = Some(medium.address()?.to_string());
            tokio::spawn(medium.serve());
        }
        gateway.check()?;
        let (network, folder) = (network_name.to_owned(), folder.to_owned());
        Ok(EmulatedCluster { devices: names, network, gateway, folder })
    }

    /// What the gateway emulates: the place of a device like the first, with
    /// nothing to compute.
    pub fn gateway(&self) -> &Emulation {
        &self.gateway
    }

    /// What `quorate worker` is to be told of the device at this place.
    pub fn worker_arguments(&self, device: usize) -> Vec<String> {
        let text = |text: &str| text.to_owned();
        let mut arguments = vec![
            text("--emulate"),
            self.devices[device].clone(),
            text("--network"),
            self.network.clone(),
            text("--dilate"),
            self.gateway.dilation.to_string(),
            text("--seed"),
            (self.gateway.seed.wrapping_add(1 + device as u64)).to_string(),
            text("--overruns"),
            self.overruns_file(device).display().to_string(),
        ];
        if let Some(medium) = &self.gateway.medium {
            arguments.extend([text("--medium"), medium.clone()]);
        }
        arguments
    }

    /// How often this machine was too slow so far, and by how much at most.
    pub fn overruns(&self) -> anyhow::Result<(usize, Duration)> {
        let gateway = self.folder.join("gateway.overruns");
        let files = (0..self.devices.len()).map(|device| self.overruns_file(device));
        let mut all = (0, Duration::ZERO);
        for file in files.chain([gateway]) {
            let (count, longest) = count_overruns(&file)?;
            all = (all.0 + count, all.1.max(longest));
        }
        Ok(all)
    }

    fn overruns_file(&self, device: usize) -> PathBuf {
        self.folder.join(format!("{device}.overruns"))
    }
}
