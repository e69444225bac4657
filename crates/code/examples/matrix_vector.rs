//! A coded matrix-vector product that loses two of its six machines.

use quorate_code::{Code, CodeError, ShardSet};

const COLUMNS: usize = 3;

fn main() -> Result<(), CodeError> {
    let shards: Vec<Vec<f32>> =
        (0..4).map(|s| (0..2 * COLUMNS).map(|i| (s * i + 1) as f32 / 8.0).collect()).collect();
    let code = Code::mds(4, 2)?;
    let mut parity = vec![vec![0.0; 2 * COLUMNS]; 2];
    let data: Vec<&[f32]> = shards.iter().map(Vec::as_slice).collect();
    let mut outs: Vec<&mut [f32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    code.encode_f32(&data, &mut outs, 1)?;

    let vector = [1.0, -2.0, 0.5];
    let dot = |row: &[f32]| row.iter().zip(vector).map(|(w, x)| w * x).sum::<f32>();
    let multiply = |shard: &Vec<f32>| shard.chunks(COLUMNS).map(dot).collect::<Vec<f32>>();
    let results: Vec<Vec<f32>> = shards.iter().chain(&parity).map(multiply).collect();

    let decoder = code.decoder(ShardSet::from_iter([0, 2, 4, 5]))?;
    for lost in decoder.missing() {
        let mut out = [0.0; 2];
        decoder.recover_f32(lost, |machine| &results[machine], &mut out)?;
        println!("machine {lost}: recovered {out:?}, would have sent {:?}", results[lost]);
    }
    Ok(())
}
