//! The macros that the generated code consists of: [`structure!`](crate::structure), [`string_enum!`](crate::string_enum)
//! and [`operation!`](crate::operation).
//!
//! They keep `generated.rs` down to names and types, readable as the list of shapes it is.

use crate::{OperationSchema, Shape, Structure};

/// An operation as a type, which ties its input and output together.
pub trait Operation {
    /// Its input.
    type Input: Shape + Structure + 'static;
    /// Its output.
    type Output: Shape + Structure + 'static;
    /// What the model says of it.
    const DESCRIPTION: &'static OperationSchema;
}

/// Declares a structure whose fields stand in the order of the members of its schema.
#[macro_export]
macro_rules! structure {
    ($schema:path; $(#[$meta:meta])* pub struct $name:ident { $(pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        pub struct $name {
            $(pub $field: $type,)*
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                // Nothing below a sensitive structure is shown, whatever its own shape says.
                if $schema.sensitive {
                    return f.write_str(concat!(stringify!($name), "(..)"));
                }
                f.debug_struct(stringify!($name))$(.field(stringify!($field), &self.$field))*.finish()
            }
        }

        impl $crate::Structure for $name {
            fn schema(&self) -> &'static $crate::Schema {
                &$schema
            }

            #[allow(unused_assignments, unused_mut, unused_variables, reason = "the count after the last field")]
            fn field(&self, index: usize) -> Option<$crate::Ref<'_>> {
                let mut at = 0_usize;
                $(
                    if index == at {
                        return $crate::Shape::to_ref(&self.$field);
                    }
                    at += 1;
                )*
                None
            }
        }

        impl $crate::Shape for $name {
            #[allow(unused_mut, unused_variables, reason = "structures without members")]
            fn from_value(value: Option<$crate::Value>) -> Result<Self, $crate::Mismatch> {
                let mut fields = $crate::Record::of(value)?.fields.into_iter();
                Ok(Self { $($field: $crate::Shape::from_value(fields.next().flatten())?,)* })
            }

            fn to_ref(&self) -> Option<$crate::Ref<'_>> {
                Some($crate::Ref::Structure(self))
            }
        }
    };
}

/// Declares an enum with the text of each variant.
#[macro_export]
macro_rules! string_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($variant,)*
        }

        impl $name {
            /// Every variant, in the order of the model.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The text on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::Mismatch;

            fn from_str(text: &str) -> Result<Self, $crate::Mismatch> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err($crate::Mismatch),
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::Shape for $name {
            fn from_value(value: Option<$crate::Value>) -> Result<Self, $crate::Mismatch> {
                <String as $crate::Shape>::from_value(value)?.parse()
            }

            fn to_ref(&self) -> Option<$crate::Ref<'_>> {
                Some($crate::Ref::String(self.as_str()))
            }
        }

        impl $crate::Key for $name {
            fn from_key(text: String) -> Result<Self, $crate::Mismatch> {
                text.parse()
            }

            fn as_key(&self) -> &str {
                self.as_str()
            }
        }
    };
}

/// Declares the type of an operation.
#[macro_export]
macro_rules! operation {
    ($name:ident($input:ty) -> $output:ty = $description:path) => {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl $crate::Operation for $name {
            type Input = $input;
            type Output = $output;
            const DESCRIPTION: &'static $crate::OperationSchema = &$description;
        }
    };
}

/// Declares the errors of a service as an enum.
#[macro_export]
macro_rules! error_codes {
    ($($variant:ident = $code:literal, $status:literal, $fault:ident;)*) => {
        /// The errors that the service declares.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $(
                #[doc = concat!("`", $code, "`, HTTP ", $status, ".")]
                $variant,
            )*
        }

        impl ErrorCode {
            /// Every code, in the order of the model.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Code, status and fault.
            pub const fn schema(self) -> &'static $crate::ErrorSchema {
                match self {
                    $(Self::$variant => &$crate::ErrorSchema {
                        code: $code,
                        status: $status,
                        fault: $crate::Fault::$fault,
                    },)*
                }
            }

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                self.schema().code
            }

            /// The error of this code.
            pub fn with(self, message: impl Into<String>) -> $crate::Error {
                $crate::Error::new(self.schema(), message)
            }
        }
    };
}
