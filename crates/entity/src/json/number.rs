//! The form in which OpenWhisk writes numbers.

/// Rewrites a JSON number to the form that a Java `BigDecimal` of it prints, appending to `out`.
///
/// `5` stays `5`, `1.50` stays `1.50`, `1e3` becomes `1E+3`, `1E-7` stays, `0.1e1` becomes `1`, `-0`
/// becomes `0`. All digits are kept. `number` must be a number by the grammar of JSON.
///
/// Source: `BigDecimal.toString` of the Java class library; recordings `actions-faults/number-form-*`.
pub fn canonical_number(number: &str, out: &mut String) {
    if is_plain_integer(number) {
        out.push_str(number);
        return;
    }
    let (negative, rest) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().unwrap_or(2_147_483_647)),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all: String = [whole, fraction].concat();
    let digits = match all.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let scale = i64::try_from(fraction.len())
        .unwrap_or(i64::MAX)
        .saturating_sub(exponent);
    if negative && digits != "0" {
        out.push('-');
    }
    write_scaled(digits, scale, out);
}

/// True for what the rewriting would not change, so that the usual number costs one look.
fn is_plain_integer(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    digits.bytes().all(|b| b.is_ascii_digit()) && number != "-0"
}

/// Writes `digits × 10^-scale`, in plain notation where the scale allows it.
fn write_scaled(digits: &str, scale: i64, out: &mut String) {
    let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let adjusted = (count - 1).saturating_sub(scale);
    if scale == 0 {
        out.push_str(digits);
    } else if scale > 0 && adjusted >= -6 {
        let whole = usize::try_from(count - scale).unwrap_or(0);
        match digits.split_at_checked(whole) {
            Some((before, after)) if whole > 0 => {
                out.push_str(before);
                out.push('.');
                out.push_str(after);
            }
            _ => {
                out.push_str("0.");
                (0..scale - count).for_each(|_| out.push('0'));
                out.push_str(digits);
            }
        }
    } else {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        if adjusted != 0 {
            out.push('E');
            if adjusted > 0 {
                out.push('+');
            }
            out.push_str(&adjusted.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recordings `actions-faults/number-form-*` and `invoke/returns-number-forms`.
    #[test]
    fn numbers_print_as_big_decimals() {
        for (number, printed) in [
            ("5", "5"),
            ("-17", "-17"),
            ("5.0", "5.0"),
            ("1.50", "1.50"),
            ("1e3", "1E+3"),
            ("1E-7", "1E-7"),
            ("0.1e1", "1"),
            ("-0", "0"),
            ("-0.0", "0.0"),
            ("1e400", "1E+400"),
            ("1e21", "1E+21"),
            ("12e20", "1.2E+21"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1E-7"),
            ("-12.5e1", "-125"),
            ("123.456", "123.456"),
            ("0.00012", "0.00012"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
        ] {
            let mut out = String::new();
            canonical_number(number, &mut out);
            assert_eq!(out, printed, "{number}");
        }
    }
}
