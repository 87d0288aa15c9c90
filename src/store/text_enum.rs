//! Enums that are stored in text columns: the store's own, and those of the domain, which knows no
//! columns.

use std::io::Write;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Text;

use crate::calendar::field::Side;
use crate::calendar::invitations::Guests;
use crate::calendar::merge::Policy;

/// An enum of the domain with a name for each variant.
pub trait Named: Copy + std::fmt::Debug + 'static {
    const ALL: &'static [Self];
    fn name(self) -> &'static str;
}

impl Named for Guests {
    const ALL: &'static [Self] = &Guests::ALL;
    fn name(self) -> &'static str {
        Guests::name(self)
    }
}

impl Named for Side {
    const ALL: &'static [Self] = &Side::ALL;
    fn name(self) -> &'static str {
        Side::name(self)
    }
}

impl Named for Policy {
    const ALL: &'static [Self] = &Policy::ALL;
    fn name(self) -> &'static str {
        Policy::name(self)
    }
}

/// An enum of the domain, as it is stored in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Stored<T: Named>(pub T);

impl<T: Named> ToSql<Text, Pg> for Stored<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.0.name().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl<T: Named> FromSql<Text, Pg> for Stored<T> {
    fn from_sql(stored: PgValue<'_>) -> deserialize::Result<Self> {
        let name = std::str::from_utf8(stored.as_bytes())?;
        let named = T::ALL.iter().find(|variant| variant.name() == name);
        let named = named.ok_or_else(|| format!("'{name}' is no {}", std::any::type_name::<T>()))?;
        Ok(Self(*named))
    }
}

/// Declares an enum that is stored under the given names, one for each variant. A query fails if it
/// reads another name, which a later version may have written.
macro_rules! text_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)]
        #[diesel(sql_type = diesel::sql_types::Text)]
        $vis enum $name {
            $($(#[$about])* $variant,)+
        }

        impl $name {
            /// All names, as in the table's constraint.
            pub const NAMES: &[&str] = &[$($text),+];

            /// Returns the stored name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl diesel::serialize::ToSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
            ) -> diesel::serialize::Result {
                std::io::Write::write_all(out, self.as_str().as_bytes())?;
                Ok(diesel::serialize::IsNull::No)
            }
        }

        impl diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
            fn from_sql(stored: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                match stored.as_bytes() {
                    $(bytes if bytes == $text.as_bytes() => Ok(Self::$variant),)+
                    other => Err(format!(
                        "'{}' is no {}",
                        String::from_utf8_lossy(other),
                        stringify!($name)
                    )
                    .into()),
                }
            }
        }
    };
}

pub(crate) use text_enum;
