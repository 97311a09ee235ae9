use super::{Sorter, sort};

/// Sorts `keys` and gives where each element came from. The expectations below are what Go 1.27 gives for them.
fn order(keys: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut items: Vec<_> = keys.enumerate().collect();
    sort(&mut items, |a, b| a.1 < b.1);
    assert!(items.is_sorted_by_key(|item| item.1));
    items.into_iter().map(|item| item.0).collect()
}

/// FNV-1a over the positions, for orders that are too long to be written down.
fn digest(order: &[usize]) -> u64 {
    order
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &at| (hash ^ at as u64).wrapping_mul(0x0000_0100_0000_01b3))
}

#[test]
fn up_to_twelve_elements_keep_the_order_of_equals() {
    assert_eq!(order((0..12).map(|i| i * 7 % 3)), [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    assert!(order(std::iter::empty()).is_empty());
    assert_eq!(order([1].into_iter()), [0]);
}

#[test]
fn more_elements_get_go_s_order_of_equals() {
    assert_eq!(order((0..13).map(|i| i * 7 % 5)), [5, 10, 0, 8, 3, 6, 1, 11, 4, 9, 7, 2, 12]);
    assert_eq!(
        order((0..40).map(|i| (40 - i) / 4)),
        [
            39, 38, 37, 33, 36, 35, 34, 32, 31, 30, 29, 28, 27, 26, 25, 21, 24, 23, 22, 20, 19, 18, 17, 13,
            16, 15, 14, 10, 12, 11, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
        ]
    );
}

#[test]
fn long_lists_get_go_s_order_too() {
    assert_eq!(digest(&order((0..60).map(|i| i * i % 11))), 0x058b_7677_0f92_0c55);
    assert_eq!(digest(&order((0..120).map(|i| i.min(120 - i)))), 0x0662_d9fd_58be_8049);
    assert_eq!(digest(&order((0..300).map(|i| i * 37 % 8))), 0x7b55_7d91_903e_a6b3);
    let mostly_sorted = (0..500).map(|i| if i % 17 == 0 { 0 } else { i / 9 });
    assert_eq!(digest(&order(mostly_sorted)), 0x3bf8_ddf2_eae3_dc1f);
    assert_eq!(digest(&order((0..1000).map(|i| (i ^ 21) % 13))), 0xf672_8dfc_0984_5497);
}

#[test]
fn without_patience_it_still_sorts() {
    let mut items: Vec<_> = (0..100).map(|i| i * 37 % 101).collect();
    Sorter { items: &mut items, less: |a: &i32, b: &i32| a < b }.sort(0, 100, 0);
    assert!(items.is_sorted());
}
