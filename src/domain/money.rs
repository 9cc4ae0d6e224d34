//! Money: whole minor units and a currency, never a float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An ISO 4217 currency code: three upper-case letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, utoipa::ToSchema)]
#[schema(value_type = String, pattern = "^[A-Z]{3}$", examples("USD"))]
pub struct Currency([u8; 3]);

impl Currency {
    /// What counts where nothing else is set.
    pub const DEFAULT: Self = Self(*b"USD");

    /// Digits after the decimal point, as ISO 4217 gives them for the currencies that differ from two.
    #[must_use]
    pub fn minor_digits(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF"
            | b"UGX" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            // Any other code: the standard's usual two.
            _ => 2,
        }
    }
}

/// The codes of ISO 4217 that name money: no metals, no funds, no test codes. Some are added now and then; none is ever taken
/// out, since what was once counted in it must stay readable.
const CODES: &str = "\
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP \
CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD \
IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR \
MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP \
SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG \
XOF XPF YER ZAR ZMW ZWG";

/// Text that was meant as a currency and names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the ISO 4217 code of a currency, such as USD")]
pub struct InvalidCurrency;

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        if CODES.split(' ').any(|known| known == text) { Ok(Self(code)) } else { Err(InvalidCurrency) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Three ASCII letters by construction.
        f.write_str(std::str::from_utf8(&self.0).unwrap_or("XXX"))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// An amount in minor units (cents, say) of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units: 1250 with USD is 12.50 dollars.
    pub amount: i64,
    /// ISO 4217.
    pub currency: Currency,
}

impl fmt::Display for Money {
    /// `12.50 USD`, with as many decimals as the currency has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.minor_digits();
        let unit = 10_u64.pow(digits);
        let sign = if self.amount < 0 { "-" } else { "" };
        let amount = self.amount.unsigned_abs();
        let whole = amount / unit;
        if digits == 0 {
            return write!(f, "{sign}{whole} {}", self.currency);
        }
        let width = digits as usize;
        write!(f, "{sign}{whole}.{:0width$} {}", amount % unit, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_show_as_many_decimals_as_the_currency_has() {
        let show = |amount, code: &str| Money { amount, currency: code.parse().expect("a code") }.to_string();
        assert_eq!(show(1250, "USD"), "12.50 USD");
        assert_eq!(show(-5, "EUR"), "-0.05 EUR");
        assert_eq!(show(1250, "JPY"), "1250 JPY");
        assert_eq!(show(1250, "KWD"), "1.250 KWD");
        assert_eq!(show(i64::MIN, "USD"), "-92233720368547758.08 USD");
    }

    #[test]
    fn a_currency_is_one_that_there_is() {
        assert!(CODES.split(' ').all(|code| code.len() == 3 && code.parse::<Currency>().is_ok()));
        for added in ["SLE", "VED", "XCG", "ZWG"] {
            assert_eq!(added.parse::<Currency>().map(|code| code.to_string()), Ok(added.to_owned()));
        }
        for text in ["", "usd", "US", "USDT", "U$D", "ÄÖ", "QQQ", "XXX", "ED "] {
            assert_eq!(text.parse::<Currency>(), Err(InvalidCurrency), "{text}");
        }
    }
}
