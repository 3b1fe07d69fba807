//! `staff change`.

use clap::ArgGroup;

use super::super::code::CodeArg;
use super::super::context::Context;
use super::{RoleArg, table};
use crate::control::Failure;
use crate::control::api::staff::Change;
use crate::staff::Role;

#[derive(Debug, clap::Args)]
#[command(
    group = ArgGroup::new("changes").required(true).multiple(true).args([
        "add_roles", "remove_roles", "let_into", "shut_out_of", "add_addresses", "remove_addresses", "main_address", "uid",
    ]),
    override_usage = "hustings staff change [OPTIONS] <NAME> (one change or more)",
    after_help = "Examples:\n  hustings staff change ben --add-role sender --reason \"writes the newsletter now\"\n  hustings staff change ben --remove-role approver\n  hustings staff change ben --let-into office,press\n  hustings staff change ben --main-address ben.moor@party.example\n  hustings staff change ben --remove-address ben@party.example"
)]
pub(super) struct Args {
    /// The login name
    name: String,
    /// A role that it gets
    #[arg(long = "add-role", value_name = "ROLE", value_delimiter = ',')]
    add_roles: Vec<RoleArg>,
    /// A role that it loses
    #[arg(long = "remove-role", value_name = "ROLE", value_delimiter = ',')]
    remove_roles: Vec<RoleArg>,
    /// A role mailbox (`[mailbox.NAME]` in the configuration) that it is let into: its mail comes to them as well, they see
    /// its folders in their mail program as `Shared/NAME`, and they may write from its addresses
    #[arg(long, value_name = "MAILBOX", value_delimiter = ',')]
    let_into: Vec<String>,
    /// A role mailbox that it is shut out of, at once
    #[arg(long, value_name = "MAILBOX", value_delimiter = ',')]
    shut_out_of: Vec<String>,
    /// An address in the party's own domains that it gets
    #[arg(long = "add-address", value_name = "ADDRESS", value_delimiter = ',')]
    add_addresses: Vec<String>,
    /// An address that it loses: what is sent there is refused from then on, until somebody else gets it
    #[arg(long = "remove-address", value_name = "ADDRESS", value_delimiter = ',')]
    remove_addresses: Vec<String>,
    /// Its main address from now on, which mail programs are told to log in and write with; it gets it if it hasn't
    #[arg(long, value_name = "ADDRESS")]
    main_address: Option<String>,
    /// The Unix user by which these commands know the person from now on (id -u); never root
    #[arg(long)]
    uid: Option<u32>,
    /// Why; it stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    code: CodeArg,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    args.code.read(context)?;
    let roles = |roles: &[RoleArg]| roles.iter().copied().map(Role::from).collect();
    let change = Change {
        name: args.name.clone(),
        add_roles: roles(&args.add_roles),
        remove_roles: roles(&args.remove_roles),
        let_into: args.let_into.clone(),
        shut_out_of: args.shut_out_of.clone(),
        add_addresses: args.add_addresses.clone(),
        remove_addresses: args.remove_addresses.clone(),
        main_address: args.main_address.clone(),
        uid: args.uid,
        reason: args.reason.clone(),
    };
    context.print_answer(&change, |account, style| {
        table(std::slice::from_ref(account), style)
    })
}
