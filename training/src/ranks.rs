//! Ranks of numbers, made so that their product is Spearman's correlation.

/// Mean ranks, centred and of length 1, so that the sum of two's products is their rank correlation; `None` where all
/// numbers are the same. The numbers are not NaN.
pub(crate) fn ranks(numbers: &[f64]) -> Option<Vec<f32>> {
    let mut order: Vec<u32> = (0..numbers.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| numbers[a as usize].total_cmp(&numbers[b as usize]));
    let mut ranks = vec![0.0; numbers.len()];
    let middle = (numbers.len() as f64 - 1.0) / 2.0;
    let mut first = 0;
    for run in order.chunk_by(|&a, &b| numbers[a as usize] == numbers[b as usize]) {
        let rank = first as f64 + (run.len() as f64 - 1.0) / 2.0 - middle;
        run.iter().for_each(|&place| ranks[place as usize] = rank);
        first += run.len();
    }
    let length = ranks.iter().map(|rank| rank * rank).sum::<f64>().sqrt();
    (length > 0.0).then(|| ranks.iter().map(|rank| (rank / length) as f32).collect())
}

/// The rank correlation of two, from their [`ranks`].
pub(crate) fn correlation(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
}
