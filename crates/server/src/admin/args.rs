//! The command line of `oxwhisk admin`, with the names that `wskadmin` has.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::RangedI64ValueParser;
use clap::{Args, Subcommand};
use oxwhisk_entity::{UserLimits, WrittenSize};

use super::key::NewKey;
use super::operation::Operation;
use super::outcome::View;
use super::refusal::Refusal;
use super::users::checked_names;

/// Places the options that all commands have behind their own.
const LAST: usize = 900;

#[derive(Debug, Args)]
#[command(infer_long_args = true)]
pub(crate) struct AdminArgs {
    /// Folder with the database, as given to `oxwhisk standalone` [default: below the XDG state directory]
    #[arg(long, value_name = "DIR", global = true, display_order = LAST)]
    pub(crate) data_dir: Option<PathBuf>,
    /// File with settings
    #[arg(long, value_name = "FILE", global = true, display_order = LAST)]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true, display_order = LAST)]
    pub(crate) json: bool,
    /// Say on standard error whether the running server or the database itself was asked
    #[arg(short, long, global = true, display_order = LAST)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) area: Area,
}

#[derive(Debug, Subcommand)]
#[command(infer_long_args = true)]
pub(crate) enum Area {
    /// Manage users
    #[command(subcommand)]
    User(UserCommand),
    /// Manage limits of single namespaces
    #[command(subcommand)]
    Limits(LimitsCommand),
}

#[derive(Debug, Subcommand)]
#[command(infer_long_args = true)]
pub(crate) enum UserCommand {
    /// Create a user, or give one another namespace, and show the key
    Create(CreateArgs),
    /// Delete a user, or only the key for one namespace
    Delete {
        /// The user
        subject: String,
        /// Delete the key for this namespace only; also `-ns`
        #[arg(long)]
        namespace: Option<String>,
    },
    /// Show the key of a user
    Get {
        /// The user
        subject: String,
        /// The namespace of the key [default: named like the user]; also `-ns`
        #[arg(long)]
        namespace: Option<String>,
        /// Show all namespaces with their keys
        #[arg(short, long)]
        all: bool,
    },
    /// Tell whose key it is
    Whois {
        /// The key, `uuid:secret`
        authkey: String,
    },
    /// Block users: their keys are refused
    Block {
        /// The users
        #[arg(required = true)]
        subjects: Vec<String>,
    },
    /// Accept the keys of blocked users again
    Unblock {
        /// The users
        #[arg(required = true)]
        subjects: Vec<String>,
    },
    /// List the keys for a namespace
    List {
        /// The namespace
        namespace: String,
        /// Show no more than N
        #[arg(
            short,
            long,
            value_name = "N",
            default_value_t = 1,
            allow_negative_numbers = true
        )]
        pick: i64,
        /// Show all
        #[arg(short, long)]
        all: bool,
        /// Show the keys without the users
        #[arg(short, long)]
        key: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The user; at least 5 characters
    subject: String,
    /// The key, `uuid:secret` [default: a new one]
    #[arg(short = 'u', long, value_name = "KEY")]
    auth: Option<String>,
    /// The namespace that the key is for [default: named like the user]; also `-ns`
    #[arg(long)]
    namespace: Option<String>,
    /// Replace the key that there is for the namespace
    #[arg(short, long)]
    revoke: bool,
    /// Print a key and store nothing
    #[arg(short, long)]
    genonly: bool,
    /// Do not show the key
    #[arg(short, long)]
    silent: bool,
}

#[derive(Debug, Subcommand)]
#[command(infer_long_args = true)]
pub(crate) enum LimitsCommand {
    /// Set limits of a namespace; those that are not given stay as they are
    Set {
        /// The namespace
        namespace: String,
        #[command(flatten)]
        limits: Box<LimitsArgs>,
    },
    /// Show the limits of a namespace; where none is set the server's hold
    Get {
        /// The namespace
        namespace: String,
    },
    /// Delete the limits of a namespace; the server's hold then
    Delete {
        /// The namespace
        namespace: String,
    },
}

/// Greatest number that other readers of the same documents take.
const MOST: i64 = i32::MAX as i64;

fn count() -> RangedI64ValueParser<u32> {
    RangedI64ValueParser::new().range(0..=MOST)
}

fn size() -> RangedI64ValueParser<i32> {
    RangedI64ValueParser::new().range(0..=MOST)
}

#[derive(Debug, Args)]
#[command(rename_all = "camelCase")]
pub(crate) struct LimitsArgs {
    /// Invocations in a minute; 0 refuses all
    #[arg(long, value_name = "N", value_parser = count())]
    invocations_per_minute: Option<u32>,
    /// Triggers fired in a minute; 0 refuses all
    #[arg(long, value_name = "N", value_parser = count())]
    fires_per_minute: Option<u32>,
    /// Activations in flight; 0 refuses all
    #[arg(long, value_name = "N", value_parser = count())]
    concurrent_invocations: Option<u32>,
    /// Kinds that actions may have
    #[arg(long, value_name = "KIND", num_args = 1..)]
    allowed_kinds: Option<Vec<String>>,
    /// Whether activation records are stored: yes, true, no or false
    #[arg(long, value_name = "BOOL", value_parser = yes_or_no)]
    store_activations: Option<bool>,
    /// Least memory of an action, MB
    #[arg(long, value_name = "MB", value_parser = size())]
    min_action_memory: Option<i32>,
    /// Greatest memory of an action, MB
    #[arg(long, value_name = "MB", value_parser = size())]
    max_action_memory: Option<i32>,
    /// Least log size of an action, MB
    #[arg(long, value_name = "MB", value_parser = size())]
    min_action_logs: Option<i32>,
    /// Greatest log size of an action, MB
    #[arg(long, value_name = "MB", value_parser = size())]
    max_action_logs: Option<i32>,
    /// Least time limit of an action, ms
    #[arg(long, value_name = "MS", value_parser = size())]
    min_action_timeout: Option<i32>,
    /// Greatest time limit of an action, ms
    #[arg(long, value_name = "MS", value_parser = size())]
    max_action_timeout: Option<i32>,
    /// Least concurrency of an action
    #[arg(long, value_name = "N", value_parser = size())]
    min_action_concurrency: Option<i32>,
    /// Greatest concurrency of an action
    #[arg(long, value_name = "N", value_parser = size())]
    max_action_concurrency: Option<i32>,
    /// Size of parameters and of annotations, such as `1 MB`
    #[arg(long, value_name = "SIZE")]
    max_parameter_size: Option<WrittenSize>,
    /// Size of arguments and results, such as `1 MB`
    #[arg(long, value_name = "SIZE")]
    max_payload_size: Option<WrittenSize>,
    /// How much is kept of a result that is too large, such as `1 KB`
    #[arg(long, value_name = "SIZE")]
    truncation_size: Option<WrittenSize>,
}

impl From<LimitsArgs> for UserLimits {
    fn from(args: LimitsArgs) -> Self {
        Self {
            invocations_per_minute: args.invocations_per_minute,
            concurrent_invocations: args.concurrent_invocations,
            fires_per_minute: args.fires_per_minute,
            allowed_kinds: args.allowed_kinds,
            store_activations: args.store_activations,
            min_action_memory: args.min_action_memory,
            max_action_memory: args.max_action_memory,
            min_action_logs: args.min_action_logs,
            max_action_logs: args.max_action_logs,
            min_action_timeout: args.min_action_timeout,
            max_action_timeout: args.max_action_timeout,
            min_action_concurrency: args.min_action_concurrency,
            max_action_concurrency: args.max_action_concurrency,
            max_parameter_size: args.max_parameter_size,
            max_payload_size: args.max_payload_size,
            truncation_size: args.truncation_size,
        }
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("{text} is not a valid boolean.")),
    }
}

impl Area {
    /// Returns what is to be done and how its outcome is shown.
    ///
    /// # Errors
    /// Text that no operation takes.
    pub(super) fn into_operation(self) -> Result<(Operation, View), Refusal> {
        let operation = match self {
            Self::User(UserCommand::Create(args)) => return args.into_operation(),
            Self::User(UserCommand::List {
                namespace,
                pick,
                all,
                key,
            }) => {
                let pick = usize::try_from(pick).ok().filter(|pick| *pick > 0);
                let pick = pick.ok_or(Refusal::PickNone)?;
                let at_most = (!all).then_some(pick);
                let view = if key { View::KeysOnly } else { View::Whole };
                return Ok((Operation::ListKeys { namespace, at_most }, view));
            }
            Self::User(UserCommand::Delete { subject, namespace }) => {
                Operation::DeleteUser { subject, namespace }
            }
            Self::User(UserCommand::Get {
                subject, all: true, ..
            }) => Operation::GetKeys { subject },
            Self::User(UserCommand::Get {
                subject, namespace, ..
            }) => Operation::GetKey { subject, namespace },
            Self::User(UserCommand::Whois { authkey }) => Operation::Whois { authkey },
            Self::User(UserCommand::Block { subjects }) => Operation::Block { subjects },
            Self::User(UserCommand::Unblock { subjects }) => Operation::Unblock { subjects },
            Self::Limits(LimitsCommand::Set { namespace, limits }) => Operation::SetLimits {
                namespace,
                limits: Box::new((*limits).into()),
            },
            Self::Limits(LimitsCommand::Get { namespace }) => Operation::GetLimits { namespace },
            Self::Limits(LimitsCommand::Delete { namespace }) => {
                Operation::DeleteLimits { namespace }
            }
        };
        Ok((operation, View::Whole))
    }
}

impl CreateArgs {
    fn into_operation(self) -> Result<(Operation, View), Refusal> {
        let (subject, namespace) = checked_names(&self.subject, self.namespace.as_deref())?;
        let key = match &self.auth {
            Some(text) => NewKey::parse(text)?,
            None => NewKey::random(),
        };
        let view = if self.silent {
            View::Silent
        } else {
            View::Whole
        };
        let operation = if self.genonly {
            Operation::ShowKey {
                subject,
                namespace,
                key,
            }
        } else {
            Operation::CreateUser {
                subject,
                namespace,
                key,
                revoke: self.revoke,
            }
        };
        Ok((operation, view))
    }
}

/// Spells `-ns`, which is no option of today's form, as `--namespace`.
pub(crate) fn with_long_namespace(
    arguments: impl Iterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    let mut is_admin = None;
    let mut over = false;
    arguments.enumerate().map(move |(index, argument)| {
        if index == 1 {
            is_admin = Some(argument == "admin");
        }
        over |= argument == "--";
        if is_admin != Some(true) || over {
            return argument;
        }
        match argument.to_str() {
            Some("-ns") => "--namespace".into(),
            Some(text) => match text.strip_prefix("-ns=") {
                Some(value) => format!("--namespace={value}").into(),
                None => argument,
            },
            None => argument,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_namespace_option_of_this_command_is_spelt_out() {
        let spelt = |words: &str| {
            let words = words.split(' ').map(OsString::from);
            let words: Vec<OsString> = with_long_namespace(words).collect();
            words.join(" ".as_ref()).into_string().unwrap()
        };
        assert_eq!(
            spelt("oxwhisk admin user get alice -ns team"),
            "oxwhisk admin user get alice --namespace team"
        );
        assert_eq!(
            spelt("oxwhisk admin user get -ns=a=b alice"),
            "oxwhisk admin user get --namespace=a=b alice"
        );
        for kept in [
            "oxwhisk admin user create alice -n -s -nsx",
            "oxwhisk admin user get -- -ns",
            "oxwhisk run x.js -p -ns 1",
        ] {
            assert_eq!(spelt(kept), kept);
        }
    }
}
