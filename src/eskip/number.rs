//! Numbers as Skipper prints them: integral ones in full, all others as Go's `%g`.
//!
//! Below 0.0001, and not integral from 1,000,000 on, that has an exponent, which no Skipper can parse again.

/// Appends `number`.
pub(super) fn append(out: &mut String, number: f64) {
    if number.is_nan() {
        return out.push_str("NaN");
    }
    if number.is_infinite() {
        return out.push_str(if number > 0.0 { "+Inf" } else { "-Inf" });
    }
    if number.floor() == number {
        return match number as i64 {
            // A float holds these exactly, and zero may have a sign.
            integer if integer != 0 && number.abs() < 1e15 => out.push_str(&integer.to_string()),
            _ => out.push_str(&format!("{number:.0}")),
        };
    }
    let scientific = shortest(number);
    let (mantissa, exponent) = scientific.split_once('e').expect("`{:e}` writes an exponent");
    let exponent: i32 = exponent.parse().expect("`{:e}` writes an integral exponent");
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return out.push_str(&format!("{mantissa}e{sign}{:02}", exponent.abs()));
    }
    let (sign, mantissa) = mantissa.split_at(usize::from(mantissa.starts_with('-')));
    let digits = mantissa.replace('.', "");
    out.push_str(sign);
    match usize::try_from(exponent) {
        Ok(exponent) => {
            let (integral, fraction) = digits.split_at(exponent + 1);
            out.push_str(&format!("{integral}.{fraction}"));
        }
        Err(_) => {
            let zeros = exponent.unsigned_abs() as usize - 1;
            out.push_str(&format!("0.{}{digits}", "0".repeat(zeros)));
        }
    }
}

/// The fewest digits that give the number back, as `{:e}` writes them. Where two such texts are equally near, Rust
/// takes the upper one and Go the even one.
fn shortest(number: f64) -> String {
    let upper = format!("{number:e}");
    let digits = upper.bytes().take_while(|&byte| byte != b'e').filter(u8::is_ascii_digit).count();
    let even = format!("{number:.*e}", digits - 1);
    if even.parse() == Ok(number) { even } else { upper }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    fn text(number: f64) -> String {
        let mut out = String::new();
        super::append(&mut out, number);
        out
    }

    #[test]
    fn integral_numbers_have_all_their_digits() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (42.0, "42"),
            (-7.0, "-7"),
            (1e6, "1000000"),
            (1e21, "1000000000000000000000"),
            (1e23, "99999999999999991611392"),
        ] {
            assert_eq!(text(number), expected);
        }
        assert_eq!(text(f64::MAX).len(), 309);
    }

    #[test]
    fn others_are_go_s_shortest_form() {
        for (number, expected) in [
            (0.5, "0.5"),
            (-2.75, "-2.75"),
            (0.3333333333333333, "0.3333333333333333"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (0.00001, "1e-05"),
            (0.000012345, "1.2345e-05"),
            (-0.00001, "-1e-05"),
            (5e-324, "5e-324"),
            (999999.5, "999999.5"),
            (1234567.5, "1.2345675e+06"),
            (4503599627370495.5, "4.5035996273704955e+15"),
            (276029918775631.13, "2.7602991877563112e+14"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(text(number), expected);
        }
    }

    proptest! {
        #[test]
        fn every_finite_number_comes_back_from_its_text(number in proptest::num::f64::ANY) {
            if number.is_finite() {
                prop_assert_eq!(text(number).parse::<f64>().unwrap().to_bits(), number.to_bits());
            }
        }
    }
}
