//! Names of condition operators: `[ForAnyValue:|ForAllValues:]Name[IfExists]`.

use std::fmt;

/// A condition operator, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) set: Option<Set>,
    pub(crate) comparison: Comparison,
    pub(crate) negated: bool,
    pub(crate) if_exists: bool,
}

/// How many values of a multivalued key must satisfy the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    All,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Arn,
    Binary,
    Bool,
    Date(Order),
    Ip,
    Null,
    Numeric(Order),
    Text(Text),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Equals,
    EqualsIgnoreCase,
    Like,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Order {
    const fn name(self) -> &'static str {
        match self {
            Self::Equal => "Equals",
            Self::Greater => "GreaterThan",
            Self::GreaterOrEqual => "GreaterThanEquals",
            Self::Less => "LessThan",
            Self::LessOrEqual => "LessThanEquals",
        }
    }

    pub(crate) const fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}

impl Operator {
    /// Reads a name with exact letters; `None` for anything unknown.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (set, name) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(Set::All), rest),
            Some(("ForAnyValue", rest)) => (Some(Set::Any), rest),
            Some(_) => return None,
            None => (None, name),
        };
        let base = name.strip_suffix("IfExists");
        let if_exists = base.is_some();
        let (comparison, negated) = comparison(base.unwrap_or(name))?;
        if comparison == Comparison::Null && if_exists {
            return None;
        }
        Some(Self { set, comparison, negated, if_exists })
    }
}

fn comparison(name: &str) -> Option<(Comparison, bool)> {
    let (comparison, negated) = match name {
        "ArnEquals" | "ArnLike" => (Comparison::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Comparison::Arn, true),
        "BinaryEquals" => (Comparison::Binary, false),
        "Bool" => (Comparison::Bool, false),
        "IpAddress" => (Comparison::Ip, false),
        "NotIpAddress" => (Comparison::Ip, true),
        "Null" => (Comparison::Null, false),
        "StringEquals" => (Comparison::Text(Text::Equals), false),
        "StringEqualsIgnoreCase" => (Comparison::Text(Text::EqualsIgnoreCase), false),
        "StringLike" => (Comparison::Text(Text::Like), false),
        "StringNotEquals" => (Comparison::Text(Text::Equals), true),
        "StringNotEqualsIgnoreCase" => (Comparison::Text(Text::EqualsIgnoreCase), true),
        "StringNotLike" => (Comparison::Text(Text::Like), true),
        _ => return ordered(name),
    };
    Some((comparison, negated))
}

fn ordered(name: &str) -> Option<(Comparison, bool)> {
    let of: (fn(Order) -> Comparison, &str) = match (name.strip_prefix("Date"), name.strip_prefix("Numeric"))
    {
        (Some(order), _) => (Comparison::Date, order),
        (_, Some(order)) => (Comparison::Numeric, order),
        _ => return None,
    };
    let (order, negated) = match of.1 {
        "Equals" => (Order::Equal, false),
        "NotEquals" => (Order::Equal, true),
        "GreaterThan" => (Order::Greater, false),
        "GreaterThanEquals" => (Order::GreaterOrEqual, false),
        "LessThan" => (Order::Less, false),
        "LessThanEquals" => (Order::LessOrEqual, false),
        _ => return None,
    };
    Some((of.0(order), negated))
}

/// The name as it is written in a policy; `ArnLike` for its synonym.
impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.set {
            None => "",
            Some(Set::All) => "ForAllValues:",
            Some(Set::Any) => "ForAnyValue:",
        })?;
        let not = if self.negated { "Not" } else { "" };
        match self.comparison {
            Comparison::Arn => write!(f, "Arn{not}Like"),
            Comparison::Binary => f.write_str("BinaryEquals"),
            Comparison::Bool => f.write_str("Bool"),
            Comparison::Date(order) => write!(f, "Date{not}{}", order.name()),
            Comparison::Ip => write!(f, "{not}IpAddress"),
            Comparison::Null => f.write_str("Null"),
            Comparison::Numeric(order) => write!(f, "Numeric{not}{}", order.name()),
            Comparison::Text(Text::Equals) => write!(f, "String{not}Equals"),
            Comparison::Text(Text::EqualsIgnoreCase) => write!(f, "String{not}EqualsIgnoreCase"),
            Comparison::Text(Text::Like) => write!(f, "String{not}Like"),
        }?;
        f.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_name_and_suffix_are_read() {
        let operator = Operator::parse("ForAllValues:StringNotLikeIfExists").unwrap();
        let expected = Operator {
            set: Some(Set::All),
            comparison: Comparison::Text(Text::Like),
            negated: true,
            if_exists: true,
        };
        assert_eq!(operator, expected);
    }

    #[test]
    fn shown_operator_reads_back() {
        for name in [
            "NotIpAddress",
            "ForAnyValue:ArnNotLike",
            "DateNotEquals",
            "NumericLessThanEqualsIfExists",
            "Null",
        ] {
            assert_eq!(Operator::parse(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn near_misses_are_unknown() {
        for name in ["stringEquals", "NullIfExists", "ForSome:Bool", "DateLike", "", "IfExists", "Numeric"] {
            assert_eq!(Operator::parse(name), None, "{name}");
        }
    }
}
