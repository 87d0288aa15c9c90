//! Tests across both sides, which do not know each other: a rule through Odoo's fields and Graph's
//! pattern.

use chrono::Weekday;
use proptest::prelude::*;

use crate::calendar::recurrence::tests::{anchored, weekday};
use crate::odoo::recurrence::RuleFields;
use crate::outlook::wire::recurrence::{read, write};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_rule_that_both_can_say_goes_round_with_its_dates((rule, start) in anchored(), week_start in weekday()) {
        let (Ok(written), Ok(fields)) = (write(&rule, start), RuleFields::from_rule(&rule, start, week_start)) else {
            return Ok(());
        };
        let outlook = read(&written).unwrap().rule;
        let there = RuleFields::from_rule(&outlook, start, week_start).unwrap();
        prop_assert!(there.to_rule(start, week_start).unwrap().same_dates(start, &rule, start));
        let odoo = fields.to_rule(start, week_start).unwrap();
        let back = write(&odoo, start).map(|written| read(&written).unwrap().rule);
        // "The first day of the month" became its date in Odoo, which is equivalent.
        prop_assert!(back.unwrap().same_dates(start, &rule, start));
    }

    #[test]
    fn nothing_is_said_with_other_dates((rule, start) in anchored()) {
        if let Ok(fields) = RuleFields::from_rule(&rule, start, Weekday::Mon) {
            prop_assert!(fields.to_rule(start, Weekday::Mon).unwrap().same_dates(start, &rule, start));
        }
        if let Ok(written) = write(&rule, start) {
            prop_assert!(read(&written).unwrap().rule.same_dates(start, &rule, start));
        }
    }
}
