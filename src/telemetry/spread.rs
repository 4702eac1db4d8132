//! Histograms that somebody else keeps: [`Spread`]s, written out when the metrics are asked for.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::metrics::Labels;
use super::table::Described;

/// Observations by size, seconds.
#[derive(Clone, Debug)]
pub struct Spread {
    /// a histogram of the table
    pub metric: &'static Described,
    /// what tells it from others of the metric
    pub labels: Labels,
    /// upper bounds, and how many observations lie between each and the one before it; `f64::INFINITY` is the last
    pub buckets: Vec<(f64, u64)>,
    /// of all observations
    pub sum: f64,
}

/// Adds spreads to a registry, one family for those of each metric.
pub(super) fn register(registry: &mut Registry, spreads: Vec<Spread>) {
    let mut families: Vec<Family> = Vec::new();
    for spread in spreads {
        match families.iter_mut().find(|family| family.0[0].metric == spread.metric) {
            Some(family) => family.0.push(spread),
            None => families.push(Family(vec![spread])),
        }
    }
    for family in families {
        registry.register_collector(Box::new(family));
    }
}

/// Spreads of one metric, one at least.
#[derive(Debug)]
struct Family(Vec<Spread>);

impl Collector for Family {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Described { name, help, .. } = self.0[0].metric;
        let help = format!("{help}.");
        let mut family = encoder.encode_descriptor(name, &help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for spread in &self.0 {
            let count = spread.buckets.iter().map(|(_, count)| count).sum();
            let mut one = family.encode_family(&spread.labels)?;
            one.encode_histogram::<NoLabelSet>(spread.sum, count, &spread.buckets, None)?;
        }
        Ok(())
    }
}
