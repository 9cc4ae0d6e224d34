//! How payments of orders, top-ups and pay-outs stand.

use std::fmt;
use std::str::FromStr;

use super::order::InvalidName;

/// Declares an enum of names, as the wire and the database have them.
macro_rules! names {
    ($(
        $(#[$doc:meta])*
        $name:ident {$(
            $(#[$variant_doc:meta])*
            $variant:ident = $text:literal,
        )+}
    )+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {$(
            $(#[$variant_doc])*
            $variant,
        )+}

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As the wire and the database have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {$(
                    Self::$variant => $text,
                )+}
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::ALL.iter().copied().find(|name| name.as_str() == text).ok_or(InvalidName)
            }
        }
    )+};
}
pub(super) use names;

names! {
    /// How the payment of an order stands.
    PaymentStatus {
        /// The price is set aside.
        Authorised = "authorised",
        /// The price, or the fee for cancelling, was taken.
        Captured = "captured",
        /// Nothing was taken.
        Released = "released",
        /// All that was taken was given back.
        Refunded = "refunded",
    }

    /// Which way a transfer goes.
    TransferKind {
        /// From the provider to a wallet.
        TopUp = "top_up",
        /// From a partner's earnings to the provider.
        PayOut = "pay_out",
    }

    /// How a transfer stands.
    TransferStatus {
        /// The provider has not said yet.
        Pending = "pending",
        /// The money has arrived.
        Succeeded = "succeeded",
        /// The money is where it was before.
        Failed = "failed",
    }
}

impl TransferKind {
    /// Whether a transfer that stands at `from` moves to `to` when the provider says so.
    ///
    /// News may come in any order, so one of the two ends is the last word: that money is here. A charge that went through
    /// after it had failed is credited; a pay-out that comes back after it was sent is given back; never the other way.
    #[must_use]
    pub fn moves(self, from: TransferStatus, to: TransferStatus) -> bool {
        let last = match self {
            Self::TopUp => TransferStatus::Succeeded,
            Self::PayOut => TransferStatus::Failed,
        };
        from != to && from != last && to != TransferStatus::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for status in TransferStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        for status in PaymentStatus::ALL {
            assert_eq!(serde_json::to_value(status).expect("JSON"), status.as_str());
        }
        assert_eq!("".parse::<TransferKind>(), Err(InvalidName));
    }

    #[test]
    fn in_whatever_order_news_come_they_end_alike() {
        use TransferStatus::{Failed, Pending, Succeeded};
        for (kind, end) in [(TransferKind::TopUp, Succeeded), (TransferKind::PayOut, Failed)] {
            for news in
                [[Pending, Succeeded, Failed], [Failed, Succeeded, Pending], [Succeeded, Failed, Failed]]
            {
                let status =
                    news.into_iter().fold(Pending, |from, to| if kind.moves(from, to) { to } else { from });
                assert_eq!(status, end, "{kind}: {news:?}");
            }
        }
    }
}
