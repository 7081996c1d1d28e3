//! A request becomes a spec once, or is refused with every fault and its place.

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use domain::{
    Access, Catalog, Condition, ExportDefaults, ExportRequest, ExportSpec, FaultCode, FieldFault,
    Operand, Predicate,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::dataset::shipped;

fn at() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 1, 19, 4, 5).unwrap()
}

/// What somebody gets who may see everything.
const ALL: Access = Access { sensitive: true };

pub(crate) fn check(body: &Value) -> Result<ExportSpec, Vec<FieldFault>> {
    let catalog = shipped();
    check_as(ALL, &catalog, body)
}

pub(crate) fn check_as(
    access: Access,
    catalog: &Catalog,
    body: &Value,
) -> Result<ExportSpec, Vec<FieldFault>> {
    let defaults = ExportDefaults {
        locale: "zh-CN".into(),
        timezone: Tz::Asia__Shanghai,
    };
    ExportRequest::from_json(body.to_string().as_bytes())?.check(catalog, &defaults, access, at())
}

pub(crate) fn faults(body: &Value) -> Vec<(String, FaultCode)> {
    check(body)
        .unwrap_err()
        .into_iter()
        .map(|fault| (fault.pointer, fault.code))
        .collect()
}

fn one_fault(body: &Value) -> (String, FaultCode) {
    let mut faults = faults(body);
    assert_eq!(faults.len(), 1, "{body}: {faults:?}");
    faults.remove(0)
}

fn condition(filters: &Value) -> Predicate {
    let spec = check(&json!({"dataset": "employee", "filters": filters})).unwrap();
    assert_eq!(spec.conditions.len(), 1);
    spec.conditions[0].predicate.clone()
}

#[test]
fn a_bare_request_takes_every_exportable_column_in_the_defaults() {
    let spec = check(&json!({"dataset": "employee"})).unwrap();
    assert_eq!(spec.columns.len(), 11);
    assert_eq!(spec.columns[0], "id");
    assert_eq!(
        (spec.locale.as_str(), spec.timezone),
        ("zh-CN", Tz::Asia__Shanghai)
    );
    assert_eq!(spec.queue, "default");
    assert_eq!(spec.file_name, "员工信息_20260102_030405.xlsx");
}

#[test]
fn every_order_ends_with_the_primary_key() {
    let order = |sort: Value| {
        let spec = check(&json!({"dataset": "employee", "sort": sort})).unwrap();
        let keys = spec.sort.iter();
        keys.map(|key| (key.column.clone(), key.descending))
            .collect::<Vec<_>>()
    };
    let key = |name: &str, descending| (name.to_owned(), descending);
    assert_eq!(order(json!(null)), [key("id", false)]);
    assert_eq!(
        order(json!(["-hire_date"])),
        [key("hire_date", true), key("id", false)]
    );
    assert_eq!(
        order(json!(["-id", "name"])),
        [key("id", true), key("name", false)]
    );
}

#[test]
fn every_fault_is_told_with_its_place_and_code() {
    use FaultCode::{DatasetNotFound, InvalidFilter, InvalidRequest, UnknownColumn, UnknownQueue};
    let cases = [
        (json!({}), "/dataset", InvalidRequest),
        (json!({"dataset": 7}), "/dataset", InvalidRequest),
        (json!({"dataset": "nope"}), "/dataset", DatasetNotFound),
        (
            json!({"dataset": "employee", "colums": []}),
            "/colums",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "columns": "id"}),
            "/columns",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "columns": []}),
            "/columns",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "columns": ["id", "tenant"]}),
            "/columns/1",
            UnknownColumn,
        ),
        (
            json!({"dataset": "employee", "columns": ["id", "id"]}),
            "/columns/1",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "sort": ["email"]}),
            "/sort/0",
            UnknownColumn,
        ),
        (
            json!({"dataset": "employee", "sort": ["id", "--id"]}),
            "/sort/1",
            UnknownColumn,
        ),
        (
            json!({"dataset": "employee", "sort": ["id", "-id"]}),
            "/sort/1",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "format": "pdf"}),
            "/format",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "locale": "fr"}),
            "/locale",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "timezone": "Mars/Base"}),
            "/timezone",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "queue": "fast"}),
            "/queue",
            UnknownQueue,
        ),
        (
            json!({"dataset": "employee", "force": "yes"}),
            "/force",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "options": {"colour": 1}}),
            "/options/colour",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "options": {"header": 1}}),
            "/options/header",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "options": {"rows_per_file": 0}}),
            "/options/rows_per_file",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "options": {"file_name": "///"}}),
            "/options/file_name",
            InvalidRequest,
        ),
        (
            json!({"dataset": "employee", "filters": {"a/b": 1}}),
            "/filters/a~1b",
            UnknownColumn,
        ),
        (
            json!({"dataset": "employee", "filters": {"email": "x"}}),
            "/filters/email",
            UnknownColumn,
        ),
        (
            json!({"dataset": "employee", "filters": {"name": null}}),
            "/filters/name",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"name": ["x"]}}),
            "/filters/name",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"name": {}}}),
            "/filters/name",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"name": {"regexp": "x"}}}),
            "/filters/name/regexp",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"name": {"gt": "x"}}}),
            "/filters/name/gt",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"salary": {"gt": "1e3"}}}),
            "/filters/salary/gt",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"salary": {"gt": ""}}}),
            "/filters/salary/gt",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"id": 1.5}}),
            "/filters/id",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"id": "1 OR 1=1"}}),
            "/filters/id",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"id": "99999999999999999999"}}),
            "/filters/id",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"active": 1}}),
            "/filters/active",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"hire_date": "2026-02-30"}}),
            "/filters/hire_date",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"hire_date": "2026-2-3"}}),
            "/filters/hire_date",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"created_at": {"gt": "2026-02-03"}}}),
            "/filters/created_at/gt",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"department": {"is_null": 1}}}),
            "/filters/department/is_null",
            InvalidFilter,
        ),
        (
            json!({"dataset": "employee", "filters": {"id": {"in": vec![1; 1001]}}}),
            "/filters/id/in",
            InvalidFilter,
        ),
    ];
    for (body, pointer, code) in cases {
        assert_eq!(one_fault(&body), (pointer.to_owned(), code), "{body}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let body = json!({"dataset": "employee", "columns": ["x"], "sort": ["y"], "queue": "z",
        "filters": {"department": {"gt": 1, "eq": 2}}});
    let pointers: Vec<String> = faults(&body)
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    let expected = [
        "/columns/0",
        "/filters/department/eq",
        "/filters/department/gt",
        "/sort/0",
        "/queue",
    ];
    assert_eq!(pointers, expected);
}

#[test]
fn a_body_that_is_no_object_is_refused_as_a_whole() {
    for body in ["", "[]", "{", "\"\\ud800\"", "null"] {
        let faults = ExportRequest::from_json(body.as_bytes()).unwrap_err();
        assert_eq!(
            (faults[0].pointer.as_str(), faults[0].code),
            ("", FaultCode::InvalidRequest)
        );
    }
}

#[test]
fn operands_take_the_type_of_their_column() {
    let eq = |operand| Predicate::Eq(operand);
    assert_eq!(condition(&json!({"id": 7})), eq(Operand::Int(7)));
    assert_eq!(condition(&json!({"id": "7"})), eq(Operand::Int(7)));
    assert_eq!(
        condition(&json!({"id": u64::MAX})),
        eq(Operand::UInt(u64::MAX))
    );
    assert_eq!(condition(&json!({"active": true})), eq(Operand::Bool(true)));
    let salary = condition(&json!({"salary": {"gte": 12.5}}));
    assert_eq!(salary, Predicate::Gte(Operand::Decimal("12.5".into())));
    let day = NaiveDate::from_ymd_opt(2026, 1, 31).unwrap();
    assert_eq!(
        condition(&json!({"hire_date": "2026-01-31"})),
        eq(Operand::Date(day))
    );
    let moment = condition(&json!({"created_at": {"lt": "2026-02-01T07:30:00+08:00"}}));
    let stored = day.and_hms_opt(23, 30, 0).unwrap();
    assert_eq!(moment, Predicate::Lt(Operand::DateTime(stored)));
    assert_eq!(
        condition(&json!({"department": {"in": []}})),
        Predicate::In(Vec::new())
    );
    assert_eq!(
        condition(&json!({"department": {"is_null": false}})),
        Predicate::IsNull(false)
    );
}

#[test]
fn several_operators_and_columns_all_hold() {
    let filters = json!({"hire_date": {"gte": "2020-01-01", "lt": "2021-01-01"}, "active": false});
    let spec = check(&json!({"dataset": "employee", "filters": filters})).unwrap();
    let columns: Vec<&str> = spec
        .conditions
        .iter()
        .map(|it| it.column.as_str())
        .collect();
    assert_eq!(columns, ["active", "hire_date", "hire_date"]);
}

#[test]
fn identical_requests_have_one_identity_whenever_they_come() {
    let request = ExportRequest {
        dataset: "user".into(),
        ..ExportRequest::default()
    };
    let defaults = ExportDefaults {
        locale: "en".into(),
        timezone: Tz::UTC,
    };
    let check = |at| request.check(&shipped(), &defaults, ALL, at).unwrap();
    let (now, later) = (check(at()), check(at() + chrono::TimeDelta::hours(1)));
    assert_ne!(now.file_name, later.file_name);
    assert_eq!(now.identity(), later.identity());
    let other = ExportRequest {
        dataset: "member".into(),
        ..request.clone()
    };
    assert_ne!(
        other
            .check(&shipped(), &defaults, ALL, at())
            .unwrap()
            .identity(),
        now.identity()
    );
}

#[test]
fn a_spec_survives_being_stored() {
    let filters = json!({
        "id": {"in": [1, "18446744073709551615"]}, "name": {"like_prefix": "%_\\"},
        "salary": {"gt": "0.10"}, "hire_date": {"gte": "2020-01-01"}, "active": true,
        "created_at": {"lt": "2026-02-01T07:30:00.123456+08:00"}, "department": {"is_null": true},
    });
    let options = json!({"header": false, "null_text": "-", "file_name": "x"});
    let body = json!({"dataset": "employee", "filters": filters, "options": options});
    let spec = check(&body).unwrap();
    let stored = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<ExportSpec>(&stored).unwrap(), spec);
}

proptest! {
    #[test]
    fn filter_text_is_data_whatever_it_holds(text in "\\PC{0,40}|.{0,40}", nul in any::<bool>()) {
        let text = if nul { format!("{text}\0' OR 1=1 --") } else { text };
        let body = json!({"dataset": "employee", "filters": {"department": text}});
        let expected = Condition {
            column: "department".into(),
            predicate: Predicate::Eq(Operand::Text(text)),
        };
        prop_assert_eq!(check(&body).unwrap().conditions, vec![expected]);
    }
}
