//! What a figure did between two looks at it.

use prometheus::Histogram;
use prometheus::core::Collector;

/// How often each bucket of histograms was hit so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buckets {
    /// Upper bounds, and how many were at or below them; several histograms with the same bounds are added up.
    below: Vec<(f64, u64)>,
    count: u64,
}

impl Buckets {
    /// Of these histograms, which have the same buckets.
    #[must_use]
    pub fn of<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Self {
        let mut all = Self::default();
        for family in histograms.into_iter().flat_map(Collector::collect) {
            for metric in family.get_metric() {
                let histogram = metric.get_histogram();
                all.count += histogram.get_sample_count();
                for (index, bucket) in histogram.get_bucket().iter().enumerate() {
                    match all.below.get_mut(index) {
                        Some((_, below)) => *below += bucket.cumulative_count(),
                        None => all.below.push((bucket.upper_bound(), bucket.cumulative_count())),
                    }
                }
            }
        }
        all
    }

    /// What came since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |index: usize| earlier.below.get(index).map_or(0, |(_, below)| *below);
        let below = self.below.iter().enumerate();
        Self {
            below: below
                .map(|(index, (bound, below))| (*bound, below.saturating_sub(before(index))))
                .collect(),
            count: self.count.saturating_sub(earlier.count),
        }
    }

    /// The value that a `share` of all are at or below, as if those of a bucket lay evenly in it; none where there are no
    /// values. What is above the last bound is said to be at it.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = share * self.count as f64;
        let (mut bottom, mut under) = (0.0, 0.0);
        for (bound, below) in &self.below {
            let below = *below as f64;
            if below >= rank && below > under {
                return Some(bottom + (bound - bottom) * ((rank - under) / (below - under)).clamp(0.0, 1.0));
            }
            (bottom, under) = (*bound, below);
        }
        Some(bottom)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;

    fn histogram() -> Histogram {
        Histogram::with_opts(HistogramOpts::new("t", "t").buckets(vec![1.0, 2.0, 4.0])).expect("good bounds")
    }

    #[test]
    fn only_what_came_since_the_last_look_counts() {
        let (one, other) = (histogram(), histogram());
        one.observe(0.5);
        let earlier = Buckets::of([&one, &other]);
        assert_eq!(earlier.since(&earlier).quantile(0.5), None);
        for value in [1.5, 1.5, 3.0] {
            one.observe(value);
        }
        other.observe(9.0);
        let window = Buckets::of([&one, &other]).since(&earlier);
        assert_eq!(window.quantile(0.25), Some(1.5));
        assert_eq!(window.quantile(0.5), Some(2.0));
        assert_eq!(window.quantile(0.75), Some(4.0));
        assert_eq!(window.quantile(0.99), Some(4.0), "above the last bound");
    }
}
