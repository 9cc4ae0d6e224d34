//! Statements in plain SQL that a connection prepares once.
//!
//! Diesel keeps prepared what its query builder makes, but prepares every `UPDATE` and every `sql_query` anew. With
//! PostgreSQL that is one round trip more for each, with SQLite most of the time that a short write takes. The texts
//! here are written down in the program, so there are only so many of them, and each is worth keeping.

use std::borrow::Cow;

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, Double, HasSqlType, Nullable, Text, Untyped};

/// A statement with `?` for each value.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    text: Cow<'static, str>,
    values: Vec<Value<'a>>,
}

#[derive(Debug)]
enum Value<'a> {
    Text(Cow<'a, str>),
    OptionalText(Option<String>),
    BigInt(i64),
    OptionalBigInt(Option<i64>),
    Double(Option<f64>),
    Bool(bool),
}

impl<'a> Statement<'a> {
    /// `text` must be one of few: each that was ever used is kept by every connection.
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// The next value.
    #[must_use]
    pub(super) fn text(mut self, value: impl Into<Cow<'a, str>>) -> Self {
        self.values.push(Value::Text(value.into()));
        self
    }

    /// The next value.
    #[must_use]
    pub(super) fn optional_text(mut self, value: Option<String>) -> Self {
        self.values.push(Value::OptionalText(value));
        self
    }

    /// The next value.
    #[must_use]
    pub(super) fn bigint(mut self, value: i64) -> Self {
        self.values.push(Value::BigInt(value));
        self
    }

    /// The next value.
    #[must_use]
    pub(super) fn optional_bigint(mut self, value: Option<i64>) -> Self {
        self.values.push(Value::OptionalBigInt(value));
        self
    }

    /// The next value.
    #[must_use]
    pub(super) fn double(mut self, value: impl Into<Option<f64>>) -> Self {
        self.values.push(Value::Double(value.into()));
        self
    }

    /// The next value.
    #[must_use]
    pub(super) fn boolean(mut self, value: bool) -> Self {
        self.values.push(Value::Bool(value));
        self
    }
}

impl<DB> QueryFragment<DB> for Statement<'_>
where
    DB: Backend
        + HasSqlType<Text>
        + HasSqlType<Nullable<Text>>
        + HasSqlType<BigInt>
        + HasSqlType<Nullable<BigInt>>
        + HasSqlType<Nullable<Double>>
        + HasSqlType<Bool>,
    str: ToSql<Text, DB>,
    Option<String>: ToSql<Nullable<Text>, DB>,
    i64: ToSql<BigInt, DB>,
    Option<i64>: ToSql<Nullable<BigInt>, DB>,
    Option<f64>: ToSql<Nullable<Double>, DB>,
    bool: ToSql<Bool, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let mut values = self.values.iter();
        for (index, part) in self.text.split('?').enumerate() {
            if index > 0 {
                match values.next() {
                    Some(Value::Text(value)) => out.push_bind_param::<Text, str>(value)?,
                    Some(Value::OptionalText(value)) => {
                        out.push_bind_param::<Nullable<Text>, Option<String>>(value)?;
                    }
                    Some(Value::BigInt(value)) => out.push_bind_param::<BigInt, i64>(value)?,
                    Some(Value::OptionalBigInt(value)) => {
                        out.push_bind_param::<Nullable<BigInt>, Option<i64>>(value)?;
                    }
                    Some(Value::Double(value)) => {
                        out.push_bind_param::<Nullable<Double>, Option<f64>>(value)?;
                    }
                    Some(Value::Bool(value)) => out.push_bind_param::<Bool, bool>(value)?,
                    None => return Err(miscounted(&self.text)),
                }
            }
            out.push_sql(part);
        }
        match values.next() {
            None => Ok(()),
            Some(_) => Err(miscounted(&self.text)),
        }
    }
}

fn miscounted(text: &str) -> diesel::result::Error {
    diesel::result::Error::QueryBuilderError(format!("not one value for each question mark: {text}").into())
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    /// It is known by its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = Untyped;
}

impl<C> diesel::RunQueryDsl<C> for Statement<'_> {}

#[cfg(test)]
mod tests {
    use diesel::prelude::*;

    use super::*;
    use crate::store::Conn;
    use crate::store::testing::TestDatabase;

    #[derive(Debug, PartialEq, QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        word: String,
        #[diesel(sql_type = BigInt)]
        number: i64,
    }

    fn on_both(test: impl Fn(&mut Conn)) {
        TestDatabase::each().iter().for_each(|database| test(&mut database.connect()));
    }

    #[test]
    fn values_go_where_the_question_marks_are() {
        on_both(|conn| {
            let text = "SELECT CAST(? AS TEXT) AS word, CAST(? AS BIGINT) + 1 AS number WHERE CAST(? AS TEXT) IS NULL";
            for (word, number) in [("a", 1), ("b?", 2)] {
                let statement = Statement::new(text).text(word).bigint(number).optional_text(None);
                let row: Row = statement.get_result(conn).expect("a row");
                assert_eq!(row, Row { word: word.into(), number: number + 1 });
            }
        });
    }

    #[test]
    fn a_value_too_many_or_too_few_is_an_error() {
        on_both(|conn| {
            for statement in [Statement::new("SELECT ?"), Statement::new("SELECT 1").bigint(1)] {
                let outcome = statement.execute(conn);
                assert!(matches!(outcome, Err(diesel::result::Error::QueryBuilderError(_))), "{outcome:?}");
            }
        });
    }
}
