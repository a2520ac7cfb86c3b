//! The command line as typed. Values are checked where they are used; every command's help ends
//! with examples, and a test parses each of them.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use tidings_server::auth::Algorithm;

use crate::config::{Flag, parse_duration};

const EXAMPLES: &str = "\
Examples:
  tidings demo
  tidings serve --dev
  tidings publish news 'Hello'
  tidings subscribe news";

const SERVE_EXAMPLES: &str = "\
Examples:
  tidings serve --dev
  TIDINGS_AUTH_PUBLISHER_KEY=\"$KEY\" tidings serve --set auth.anonymous=true
  tidings serve --config tidings.toml --listen 0.0.0.0:3000
  tidings serve --config tidings.toml --data /var/lib/tidings
  tidings serve --config tidings.toml --store redis://10.0.0.5:6379
  tidings serve --dev --listen 127.0.0.1:4000 --admin-listen 127.0.0.1:4001
  tidings serve --dev --set limits.per_user=10 --set log.max_age=10m

KEY=\"$(openssl rand -hex 32)\" makes a key; `tidings token --key \"$KEY\" ...`
signs with it.";

const DEMO_EXAMPLES: &str = "\
Examples:
  tidings demo
  tidings demo --listen 127.0.0.1:8080";

const RELAY_EXAMPLES: &str = "\
Examples:
  tidings relay http://127.0.0.1:8000/api/events
  tidings relay 'http://127.0.0.1:8000/users/{id}/events' --mode per-client
  tidings relay https://app.example.com/live --listen 0.0.0.0:3000
  tidings relay http://127.0.0.1:8000/state --path /live --snapshot 1

Then ask this hub for the path: curl -N http://127.0.0.1:3000/api/events
Several relays, secrets and all other settings go into a file: see [[relay]] in
the output of `tidings config`.";

const PUBLISH_EXAMPLES: &str = "\
Examples:
  tidings publish news 'Hello'
  echo '{\"price\": 12}' | tidings publish books/1 - --type price
  TIDINGS_TOKEN='eyJ...' tidings publish users/1/inbox 'For you' --private
  tidings publish orders 'Order 7' --idempotency-key 7 --url https://example.com

Asks once: to try again after a failure is up to you, and with the same
--idempotency-key safe. Exits with 0 when the hub has the update, 1 when it
refused it, and 2 when it could not be asked.";

const SUBSCRIBE_EXAMPLES: &str = "\
Examples:
  tidings subscribe news
  tidings subscribe 'books/{id}' users/1/inbox --url https://example.com
  tidings subscribe '*' --last-event-id earliest
  tidings subscribe demo/cpu --json | jq '.data | fromjson | .percent'

On a terminal each event has a head line. Elsewhere its data alone is printed;
with --json each event is one line: {\"id\":\"...\",\"type\":\"...\",\"data\":\"...\"}.
What the hub says about the stream itself (gap, refused, expired, drain) goes
to standard error. Exits with 0 when the hub says that there is no more, 1 when
it refuses for good, and 2 when it cannot be asked: no URL, say, or no event
stream there. While it is away, it is asked again and again.";

const TOKEN_EXAMPLES: &str = "\
Examples:
  tidings token --key \"$KEY\" --publish '*'
  TIDINGS_KEY=\"$KEY\" tidings token --subscribe 'users/1/{any}' --sub alice
  tidings token --key \"$(cat key.pem)\" --alg ES256 --publish news --expires 10m
  tidings token --key \"$KEY\" --subscribe '*' --payload '{\"name\": \"Alice\"}'";

const CONFIG_EXAMPLES: &str = "\
Examples:
  tidings config > tidings.toml
  tidings config --resolved
  tidings config --resolved --config tidings.toml --listen 0.0.0.0:3000";

/// A Server-Sent Events hub: updates in over HTTP, events out to every browser, nothing lost on
/// reconnect.
#[derive(Parser)]
#[command(name = "tidings", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the hub.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(SettingsArgs),
    /// Run a hub in development mode that publishes this machine's load every second.
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(SettingsArgs),
    /// Run a hub that relays an existing backend's event stream.
    #[command(after_help = RELAY_EXAMPLES)]
    Relay(RelayArgs),
    /// Publish one update and print its id.
    #[command(after_help = PUBLISH_EXAMPLES)]
    Publish(PublishArgs),
    /// Print events as they come; resume by itself when the connection is lost.
    #[command(after_help = SUBSCRIBE_EXAMPLES)]
    Subscribe(SubscribeArgs),
    /// Print a signed token that grants topics.
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(TokenArgs),
    /// Print every setting with its default and its meaning.
    #[command(after_help = CONFIG_EXAMPLES)]
    Config(ConfigArgs),
}

/// Where settings come from.
#[derive(Args)]
pub(crate) struct SettingsArgs {
    /// The TOML file with settings.
    #[arg(long, value_name = "FILE", env = "TIDINGS_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where publishers and subscribers connect [default: 127.0.0.1:3000].
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where probes and metrics are [default: 127.0.0.1:3001].
    #[arg(long, value_name = "ADDR")]
    admin_listen: Option<String>,
    /// Where the log of updates is kept: disk, memory, or the URL of a Redis or NATS
    /// server that several hubs share [default: disk; with --dev memory].
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// The directory of the log on disk [default: tidings-data].
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// For development, on loopback only: anyone may publish and subscribe, and the dashboard is
    /// on.
    #[arg(long)]
    dev: bool,
    /// Any other setting, as often as needed; `tidings config` lists them.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_assignment)]
    set: Vec<(String, String)>,
}

impl SettingsArgs {
    /// The same with development mode on.
    pub(crate) fn into_dev(self) -> Self {
        Self { dev: true, ..self }
    }

    /// The settings that were given; `--set` comes first, so that a flag of its own stands before
    /// it.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let flag = |typed, name: &str, value: &str| Flag {
            typed,
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let set = self.set.iter().map(|(name, value)| flag("--set", name, value));
        let listen = self.listen.iter().map(|value| flag("--listen", "listen", value));
        let admin =
            self.admin_listen.iter().map(|value| flag("--admin-listen", "admin_listen", value));
        let store = self.store.iter().map(|value| flag("--store", "log.store", value));
        let data = self.data.iter().map(|value| flag("--data", "log.data", value));
        let dev = self.dev.then(|| flag("--dev", "dev", "true"));
        set.chain(listen).chain(admin).chain(store).chain(data).chain(dev).collect()
    }
}

/// What to relay, and how.
#[derive(Args)]
pub(crate) struct RelayArgs {
    /// The event stream: an http or https URL. {name} in its path stands for
    /// one part of the path that is asked for.
    pub(crate) url: String,
    /// Where subscribers ask for it [default: the path of the URL].
    #[arg(long)]
    pub(crate) path: Option<String>,
    /// `shared` is one upstream connection for all who ask for the same, `per-client` one for each,
    /// with the client's credentials [default: shared].
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// Who may read: `anyone`, `subscribers` of this hub, or those `granted` the path.
    #[arg(long, default_value = "anyone")]
    pub(crate) access: String,
    /// A header for the upstream, as often as needed. Others on this machine can see flags: put
    /// secrets into the file.
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// How many events the upstream sends at the start of every connection: kept for new
    /// subscribers.
    #[arg(long, value_name = "COUNT")]
    pub(crate) snapshot: Option<String>,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

/// Which hub to talk to, and as whom.
#[derive(Args)]
pub(crate) struct RemoteArgs {
    /// The hub; the path /.well-known/mercure is added where there is none.
    #[arg(long, env = "TIDINGS_URL", default_value = "http://127.0.0.1:3000")]
    pub(crate) url: String,
    /// The token to show. Others on this machine can see flags: prefer the variable.
    #[arg(long, env = "TIDINGS_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

/// The update to publish.
#[derive(Args)]
pub(crate) struct PublishArgs {
    /// What the update is about.
    pub(crate) topic: String,
    /// The data as text; `-` reads all of standard input. Nothing is an update without data.
    #[arg(allow_negative_numbers = true)]
    pub(crate) data: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// The event's type, for addEventListener.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// The update's id; without it the hub makes one.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// What subscribers wait before they reconnect, such as 5s.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) retry: Option<Duration>,
    /// Only for subscribers whose token grants the topic.
    #[arg(long)]
    pub(crate) private: bool,
    /// Makes it safe to publish again after a failure: the same key is stored once.
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

/// What to subscribe to.
#[derive(Args)]
pub(crate) struct SubscribeArgs {
    /// Topics, templates such as 'books/{id}', or '*' for all.
    #[arg(required = true, value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// One line of JSON for each event.
    #[arg(long)]
    pub(crate) json: bool,
    /// Start after the event with this id; `earliest` is the oldest the hub has.
    #[arg(long, value_name = "ID")]
    pub(crate) last_event_id: Option<String>,
}

/// What the token grants, and who signs it.
#[derive(Args)]
pub(crate) struct TokenArgs {
    /// The secret for HS*, or the private key in PEM. Others on this machine can see flags: prefer
    /// the variable.
    #[arg(long, env = "TIDINGS_KEY", hide_env_values = true, allow_hyphen_values = true)]
    pub(crate) key: String,
    /// How to sign.
    #[arg(long, default_value = "HS256", value_parser = algorithm())]
    pub(crate) alg: Algorithm,
    /// Topics or templates the holder may publish to; `*` is all.
    #[arg(long, value_name = "SELECTOR", num_args = 1..)]
    pub(crate) publish: Vec<String>,
    /// Topics or templates whose private updates the holder may read; `*` is all.
    #[arg(long, value_name = "SELECTOR", num_args = 1..)]
    pub(crate) subscribe: Vec<String>,
    /// Who the holder is: limits per user go by it.
    #[arg(long, value_name = "USER")]
    pub(crate) sub: Option<String>,
    /// The session: its streams can be ended together.
    #[arg(long, value_name = "SESSION")]
    pub(crate) sid: Option<String>,
    /// For how long the token is good; 0s is for ever.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(crate) expires: Duration,
    /// What the active subscriptions say about the holder.
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(crate) payload: Option<serde_json::Value>,
}

/// Which configuration to print.
#[derive(Args)]
pub(crate) struct ConfigArgs {
    /// What is in force instead of the defaults, each with its origin; secrets are masked.
    #[arg(long)]
    pub(crate) resolved: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

/// The arguments of this process.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Arguments {
    Arguments::parse_from(arguments)
}

fn parse_assignment(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) =
        text.split_once('=').ok_or("it must be NAME=VALUE, such as limits.per_user=10")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::name))
        .try_map(|name| name.parse::<Algorithm>())
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("it must be a duration with its unit, such as 250ms, 15s or 1h30m")
}

fn json(text: &str) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// The words of an example as a shell would split them, from `tidings` on.
    fn words(example: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for c in example.chars() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, ' ') => words.extend(word.take()),
                (_, c) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        let start = words.iter().position(|word| word == "tidings").unwrap();
        let pipe = |word: &String| word == "|" || word == ">";
        let command = words.split_off(start).into_iter().take_while(|word| !pipe(word));
        // A test cannot set its process's variables, so the one that is required becomes a flag.
        let key = words.iter().find_map(|word| word.strip_prefix("TIDINGS_KEY="));
        command.chain(key.map(|key| format!("--key={key}"))).collect()
    }

    #[test]
    fn every_commands_help_ends_with_examples_that_parse() {
        let mut root = Arguments::command();
        let mut sub = root.clone();
        // clap's own `help` has nothing to show.
        let commands = sub.get_subcommands_mut().filter(|command| command.get_name() != "help");
        let helps = std::iter::once(root.render_long_help())
            .chain(commands.map(clap::Command::render_long_help))
            .map(|help| help.to_string())
            .collect::<Vec<_>>();
        assert_eq!(helps.len(), 8);
        for help in helps {
            let (_, examples) = help.split_once("Examples:\n").expect(&help);
            let examples = examples.lines().take_while(|line| line.starts_with("  "));
            let mut count = 0;
            for example in examples {
                assert!(example.len() <= 80, "a narrow terminal breaks it: {example}");
                let parsed = Arguments::try_parse_from(words(example));
                assert!(parsed.is_ok(), "{example}: {}", parsed.err().unwrap());
                count += 1;
            }
            assert!(count > 0, "{help}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
