//! How records are laid out; told by the fields that are there, never by a version.

pub(super) mod nxlog;

pub(super) use nxlog::Nxlog;

/// How a record is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// It has a category: its fields are ECS's already, as Winlogbeat 7's modules write them.
    Ecs,
    /// ECS as Elastic Defend writes it.
    Endpoint,
    /// Raw Windows event, as Winlogbeat writes it since 8.0.
    Winlogbeat,
    /// Raw Windows event, as Elastic Agent writes it: with a data stream, by a Filebeat.
    ElasticAgent,
    /// Windows event whose parts all stand at the top level, as NXLog writes it.
    Nxlog,
    /// None of these: it keeps what it has, and only rules for any category can see it.
    Unknown,
}

impl Shape {
    /// All shapes, in the order in which they are counted.
    pub const ALL: [Self; 6] = [
        Self::Ecs,
        Self::Endpoint,
        Self::Winlogbeat,
        Self::ElasticAgent,
        Self::Nxlog,
        Self::Unknown,
    ];

    /// Returns the constant word for metrics and lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Endpoint => "endpoint",
            Self::Winlogbeat => "winlogbeat",
            Self::ElasticAgent => "elastic_agent",
            Self::Nxlog => "nxlog",
            Self::Unknown => "unknown",
        }
    }

    /// Returns its place in [`ALL`](Self::ALL).
    pub fn index(self) -> usize {
        self as usize
    }

    /// Tells whether the tables of the Windows channels are to be applied.
    pub(super) fn is_raw(self) -> bool {
        matches!(self, Self::Winlogbeat | Self::ElasticAgent | Self::Nxlog)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_stands_at_its_index() {
        for (index, shape) in Shape::ALL.into_iter().enumerate() {
            assert_eq!(shape.index(), index, "{}", shape.name());
        }
    }
}
