//! Whether a point lies on its curve ([SEC 1 section 3.2.2.1](https://www.secg.org/sec1-v2.pdf)).
//!
//! The numbers are public, so the arithmetic is the plainest there is and not constant in time. It runs
//! once for each key that is read, and makes the answer the same for every backend.

use crate::Curve;

/// The 521 bits of the largest field, with room for the carry of a sum; the least significant limb first.
const LIMBS: usize = 9;

type Number = [u64; LIMBS];

/// Tells whether `x` and `y` are below the prime of the field and solve `y² = x³ - 3x + b`
/// ([FIPS 186-4 appendix D.1.2](https://doi.org/10.6028/NIST.FIPS.186-4)).
pub(crate) fn is_on_curve(curve: Curve, x: &[u8], y: &[u8]) -> bool {
    let (prime, b) = parameters(curve);
    let (x, y) = (number(x), number(y));
    if !is_less(&x, &prime) || !is_less(&y, &prime) {
        return false;
    }
    let times = |one: &Number, two: &Number| product(one, two, &prime);
    let plus = |one: &Number, two: &Number| sum(one, two, &prime);
    let left = plus(&times(&y, &y), &plus(&x, &plus(&x, &x)));
    let right = plus(&times(&times(&x, &x), &x), &b);
    left == right
}

fn parameters(curve: Curve) -> (Number, Number) {
    let (prime, b) = match curve {
        Curve::P256 => (
            "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
            "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
        ),
        Curve::P384 => (
            "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
            "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
        ),
        Curve::P521 => (
            "1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
             ffffffffffffffffffffffffffffffff",
            "051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf0\
             73573df883d2c34f1ef451fd46b503f00",
        ),
    };
    (hexadecimal(prime), hexadecimal(b))
}

fn hexadecimal(digits: &str) -> Number {
    digits
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .fold([0; LIMBS], |number, digit| shifted(&number, 4, u64::from(digit)))
}

/// Reads big-endian bytes; only the last ones of more than a number holds count.
fn number(bytes: &[u8]) -> Number {
    bytes.iter().fold([0; LIMBS], |number, byte| shifted(&number, 8, u64::from(*byte)))
}

/// Shifts by less than 64 bits to the left, and `low` in.
fn shifted(number: &Number, bits: u32, low: u64) -> Number {
    let mut carry = low;
    number.map(|limb| {
        let shifted = (limb << bits) | carry;
        carry = limb >> (u64::BITS - bits);
        shifted
    })
}

fn is_less(one: &Number, two: &Number) -> bool {
    one.iter().rev().lt(two.iter().rev())
}

/// Adds two numbers below the prime.
fn sum(one: &Number, two: &Number, prime: &Number) -> Number {
    let mut carry = false;
    let mut sum = *one;
    for (limb, other) in sum.iter_mut().zip(two) {
        let (added, first) = limb.overflowing_add(*other);
        let (added, second) = added.overflowing_add(u64::from(carry));
        (*limb, carry) = (added, first || second);
    }
    if is_less(&sum, prime) { sum } else { difference(&sum, prime) }
}

/// Subtracts the smaller number.
fn difference(one: &Number, two: &Number) -> Number {
    let mut borrow = false;
    let mut difference = *one;
    for (limb, other) in difference.iter_mut().zip(two) {
        let (less, first) = limb.overflowing_sub(*other);
        let (less, second) = less.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (less, first || second);
    }
    difference
}

/// Multiplies by doubling and adding, from the highest bit down.
fn product(one: &Number, two: &Number, prime: &Number) -> Number {
    let bits = two.iter().rev().flat_map(|limb| (0..u64::BITS).rev().map(move |bit| (limb >> bit) & 1));
    bits.skip_while(|bit| *bit == 0).fold([0; LIMBS], |product, bit| {
        let doubled = sum(&product, &product, prime);
        if bit == 1 { sum(&doubled, one, prime) } else { doubled }
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn bytes(digits: &str, len: usize) -> Vec<u8> {
        let number = hexadecimal(digits);
        let bytes: Vec<u8> = number.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
        bytes[bytes.len() - len..].to_vec()
    }

    /// The base points of FIPS 186-4 appendix D.1.2.
    const BASE_POINTS: [(Curve, &str, &str); 3] = [
        (
            Curve::P256,
            "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
            "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        ),
        (
            Curve::P384,
            "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
            "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        ),
        (
            Curve::P521,
            "c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de\
             3348b3c1856a429bf97e7e31c2e5bd66",
            "11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad076\
             1353c7086a272c24088be94769fd16650",
        ),
    ];

    #[test]
    fn rfc8725_3_4_a_point_is_on_its_curve() {
        for (curve, x, y) in BASE_POINTS {
            let len = curve.coordinate_len();
            let (x, y) = (bytes(x, len), bytes(y, len));
            assert!(is_on_curve(curve, &x, &y));
            let (prime, _) = parameters(curve);
            let negative: Vec<u8> =
                difference(&prime, &number(&y)).iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
            assert!(is_on_curve(curve, &x, &negative));
            assert!(!is_on_curve(curve, &y, &x));
            for at in 0..len {
                let mut other = x.clone();
                other[at] ^= 1;
                assert!(!is_on_curve(curve, &other, &y), "{at}");
            }
            assert!(!is_on_curve(curve, &[0], &[0]));
        }
    }

    #[test]
    fn sec1_3_2_2_1_a_coordinate_is_below_the_prime() {
        let (_, x, y) = BASE_POINTS[0];
        let (prime, _) = parameters(Curve::P256);
        let (x, y) = (hexadecimal(x), hexadecimal(y));
        let beyond = x.iter().zip(&prime).fold((alloc::vec![], 0_u128), |(mut limbs, carry), (one, two)| {
            let sum = u128::from(*one) + u128::from(*two) + carry;
            limbs.push(u64::try_from(sum & u128::from(u64::MAX)).unwrap());
            (limbs, sum >> 64)
        });
        let big_endian =
            |limbs: &[u64]| limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect::<Vec<_>>();
        assert!(is_on_curve(Curve::P256, &big_endian(&x), &big_endian(&y)));
        assert!(!is_on_curve(Curve::P256, &big_endian(&beyond.0), &big_endian(&y)));
    }
}
