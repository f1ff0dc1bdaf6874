//! x
use rekindle_models::{
    classifiers::{forest::Forest, logistic::Logistic, *},
    dataset::Dataset,
    frame::*,
};
fn auc(s: &[f64], y: &[bool], w: &[f64]) -> f64 {
    let mut o: Vec<usize> = (0..s.len()).collect();
    o.sort_by(|&a, &b| s[a].total_cmp(&s[b]));
    let (mut i, mut neg, mut num, mut p) = (0, 0.0, 0.0, 0.0);
    while i < o.len() {
        let mut j = i;
        let (mut tp, mut tn) = (0.0, 0.0);
        while j < o.len() && s[o[j]] == s[o[i]] {
            if y[o[j]] {
                tp += w[o[j]]
            } else {
                tn += w[o[j]]
            };
            j += 1;
        }
        num += tp * (neg + tn / 2.0);
        neg += tn;
        p += tp;
        i = j;
    }
    num / (p * neg)
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let d = format!("/work/folds/{}", a[1]);
    let target = &a[2];
    let which = &a[3];
    let nf: usize = a.get(4).map_or(5, |x| x.parse().unwrap());
    let mut opt = ReadOptions::default();
    for c in std::fs::read_to_string(format!("{d}/categorical")).unwrap().split(',') {
        if !c.is_empty() {
            opt.kinds.insert(c.into(), ReadKind::Categorical);
        }
    }
    let f = read(std::path::Path::new(&format!("{d}/all.csv")), &opt).unwrap();
    let drop = ["churn", "Churn", "appetency", "upselling", "weight"];
    let feats: Vec<usize> = (0..f.schema().len())
        .filter(|&i| {
            let n = &f.schema().fields()[i].name;
            !drop.contains(&n.as_str()) && !n.starts_with("fold_")
        })
        .collect();
    let num = |n: &str| f.numbers(f.schema().place(n).unwrap()).unwrap().to_vec();
    let y: Vec<bool> = num(target).iter().map(|v| *v == 1.0).collect();
    let fold = num(&format!("fold_{target}"));
    let w = if f.schema().place("weight").is_some() { num("weight") } else { vec![1.0; f.rows()] };
    let mut res = vec![];
    let t = std::time::Instant::now();
    for k in 0..nf {
        let tr: Vec<u32> = (0..f.rows() as u32).filter(|&i| fold[i as usize] != k as f64).collect();
        let te: Vec<u32> = (0..f.rows() as u32).filter(|&i| fold[i as usize] == k as f64).collect();
        let ds = Dataset { frame: &f, features: &feats, rows: &tr, target: &y, weight: &w };
        let env = |n: &str, d: f64| std::env::var(n).ok().map_or(d, |x| x.parse().unwrap());
        let m = if which == "logistic" {
            Logistic { lambda_l2: env("L2", 1.0), max_iterations: env("IT", 100.0) as u64 }.fit(&ds)
        } else {
            Forest {
                trees: env("T", 200.0) as usize,
                min_samples_leaf: env("MSL", 5.0) as usize,
                ..Default::default()
            }
            .fit(&ds)
        }
        .unwrap();
        let td = ds.with_rows(&te);
        let s = m.margins(&td.to_rows());
        res.push(auc(&s, &td.targets(), &td.weights()));
        if let Fitted::Forest(_) = m {}
    }
    println!(
        "{} {} {}: {:.4} {:?} fit+predict {:.1}s each",
        a[1],
        target,
        which,
        res.iter().sum::<f64>() / nf as f64,
        res,
        t.elapsed().as_secs_f64() / nf as f64
    );
}
