//! The command line: what people type, and the exit codes they get.
//!
//! Each command is one file beside this one. All output goes through `printer.rs`.

mod aside;
mod backup;
mod config;
mod doctor;
mod drill;
mod dry_run;
mod error;
mod history;
mod inspect;
mod keys;
mod labels;
mod migrate;
mod printer;
mod progress;
mod rekey;
mod restore;
mod restore_plan;
mod run;
mod sign;
mod terminal;
mod verify;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::app::App;
use crate::archive::{self, Archive, Catalogue, Found, catalogue_of_all};
use crate::model::{ErrorKind, Explain, Level, Slug};
use crate::pipeline::Identities;
use crate::settings::Written;
use crate::transport::Stop;
use error::CliError;
use printer::Printer;

/// Label a database container; get backups that are proven to restore.
#[derive(Debug, Parser)]
#[command(name = "ringbolt", version, disable_help_subcommand = true)]
struct Arguments {
    /// Settings file, TOML or YAML [default: /etc/ringbolt/ringbolt.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "RINGBOLT_CONFIG")]
    config: Option<PathBuf>,
    /// A setting, stronger than file and environment; may be given several times
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print data as JSON
    #[arg(long, global = true)]
    json: bool,
    /// No talk but errors; data is still printed
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Check everything once and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The sidecar: back up every labelled source when it is due, until asked to stop
    Run,
    /// Back up every labelled source, or those named, now
    Backup {
        /// Names of sources
        sources: Vec<String>,
        /// Check everything once and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// List archives, newest first
    List {
        /// Only archives of these sources
        sources: Vec<String>,
    },
    /// Show an archive: its manifest, its proofs, and how to restore it with stock tools
    Show {
        /// An archive's id, or SOURCE@latest, or SOURCE@2026-11-20T03:00 (UTC, the newest until then);
        /// SOURCE/DATABASE where there are several
        archive: String,
    },
    /// Verify archives and record the result
    Verify {
        /// Archives, as `show` takes them [default: all]
        archives: Vec<String>,
        /// How much to prove: the stored bytes, the dump in them, or that it restores
        #[arg(long, value_name = "stored|deep|drill", default_value = "stored")]
        level: Level,
        /// Identity file to decrypt with, of `ringbolt keygen`, `age-keygen` or `ssh-keygen`; may be
        /// repeated
        #[arg(long = "identity", short, value_name = "FILE")]
        identities: Vec<PathBuf>,
    },
    /// Sign archives from before manifests were signed, once their stored bytes are verified
    Sign {
        /// Archives, as `show` takes them [default: all that have no signature]
        archives: Vec<String>,
    },
    /// Write an archive's plain dump to standard output
    Cat {
        /// An archive's id, or SOURCE@latest, or SOURCE@2026-11-20T03:00 (UTC, the newest until then);
        /// SOURCE/DATABASE where there are several
        archive: String,
        /// Identity file to decrypt with, of `ringbolt keygen`, `age-keygen` or `ssh-keygen`; may be
        /// repeated
        #[arg(long = "identity", short, value_name = "FILE")]
        identities: Vec<PathBuf>,
    },
    /// The runs that the sidecar remembers, newest first, and the alarms that are open
    History {
        /// Only runs of these sources
        sources: Vec<String>,
        /// How many at most
        #[arg(long, value_name = "N", default_value = "50")]
        limit: NonZeroUsize,
    },
    /// Look for what is wrong with Docker, stores, keys, clocks and tools, and say what to do
    Doctor,
    /// The labels: all of them, one of them, or an example
    Labels {
        /// What they begin with, without the dot
        #[arg(
            long,
            global = true,
            value_name = "PREFIX",
            default_value = "ringbolt",
            env = "RINGBOLT_LABELS__PREFIX"
        )]
        prefix: Slug,
        #[command(subcommand)]
        command: Option<LabelsCommand>,
    },
    /// The settings: whether they are right, what applies, which there are
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Restore an archive: into a new or empty database, over one that gives way, or into a folder
    Restore(restore::Wanted),
    /// Restore archives in throwaway containers, compare, and say how long a restore takes
    Drill {
        /// Archives, as `show` takes them, or a SOURCE: the newest of each of its databases
        #[arg(required = true)]
        archives: Vec<String>,
        /// The image of the throwaway container [default: that which was dumped from]
        #[arg(long, value_name = "IMAGE")]
        image: Option<String>,
        /// Identity file to decrypt with, of `ringbolt keygen`, `age-keygen` or `ssh-keygen`; may be
        /// repeated
        #[arg(long = "identity", short, value_name = "FILE")]
        identities: Vec<PathBuf>,
    },
    /// Encrypt old archives to the recipients that settings and labels choose now
    Rekey {
        /// Archives, as `show` takes them
        archives: Vec<String>,
        /// Every archive
        #[arg(long)]
        all: bool,
        /// A public key that shall decrypt them instead, or an armored certificate; may be repeated
        #[arg(long, value_name = "RECIPIENT", allow_hyphen_values = true)]
        to: Vec<String>,
        /// Identity file that decrypts them now; may be repeated
        #[arg(long = "identity", short, value_name = "FILE")]
        identities: Vec<PathBuf>,
    },
    /// Make a key pair for encryption and print it as an identity file, or one for signatures
    Keygen {
        /// A pair for signatures, as minisign makes it: FILE, and beside it the public key in `.pub`
        #[arg(long, requires = "output")]
        signing: bool,
        /// Write a new file that only its owner can read, and print nothing but the public key
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// What Ringbolt does in a helper container
    #[command(hide = true)]
    Aside {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
enum LabelsCommand {
    /// What one label means
    Explain {
        /// Its key, without the prefix
        key: String,
    },
    /// A Compose file to begin with
    Example {
        /// The name of an engine
        engine: String,
    },
    /// A JSON Schema of the labels in Compose files, for editors
    Schema,
    /// Print Compose files with the labels of other tools (baktainer, backer, label-backup)
    /// replaced by Ringbolt's; everything else stays byte for byte
    Migrate {
        /// Compose files; of several, each is printed below a comment with its name
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum ConfigCommand {
    /// Read the settings and say what is wrong with them
    Check,
    /// What applies, and where it was written
    Show,
    /// A JSON Schema of the settings file, for editors
    Schema,
}

/// A command that could not do what was asked, or not all of it. Everything worth saying about the
/// parts that failed has been said.
#[derive(Debug)]
struct Failure(ErrorKind);

/// Parses the arguments, runs the command, and returns its exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let printer = Printer::new(arguments.json, arguments.quiet);
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                printer.error(&CliError::Print(error));
                return exit_code(ErrorKind::Failed);
            }
        };
    let result = runtime.block_on(async {
        let (stop, insisted) = stop_on_signals()?;
        tokio::select! {
            result = run(arguments, &printer, stop) => result,
            // Whoever asks twice does not want to wait for a clean end.
            () = insisted => Ok(Err(Failure(ErrorKind::Interrupted))),
        }
    });
    // Threads that still read a damaged disk or a hung store are not waited for.
    runtime.shutdown_background();
    match result {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(Failure(kind))) => exit_code(kind),
        // Whoever reads our output has seen enough, as in `ringbolt list | head`.
        Err(CliError::Print(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            if let CliError::Settings(problems) = &error {
                for problem in problems {
                    printer.problem(problem);
                }
            }
            printer.error(&error);
            exit_code(error.kind())
        }
    }
}

fn exit_code(kind: ErrorKind) -> ExitCode {
    ExitCode::from(match kind {
        ErrorKind::Failed => 1,
        ErrorKind::Usage => 2,
        ErrorKind::DockerUnreachable => 3,
        ErrorKind::StoreUnreachable => 4,
        ErrorKind::Interrupted => 130,
    })
}

type Outcome = Result<Result<(), Failure>, CliError>;

async fn run(arguments: Arguments, printer: &Printer, stop: Stop) -> Outcome {
    let Arguments { config, set, dry_run, command, .. } = arguments;
    // What is accepted has an effect, or it is not accepted.
    let reads_none = match &command {
        None => !dry_run,
        Some(Command::Labels { .. } | Command::Keygen { .. } | Command::Aside { .. }) => true,
        Some(Command::Config { command }) => matches!(command, ConfigCommand::Schema),
        Some(_) => false,
    };
    if reads_none && !set.is_empty() {
        return Err(CliError::NoSettings);
    }
    let written = Written { file: config, environment: std::env::vars_os().collect(), flags: set };
    let open = || App::open(&written).map_err(CliError::Settings);
    match command {
        // What can be tried without being done; nothing else may pretend to.
        Some(ref other)
            if dry_run && !matches!(other, Command::Backup { .. } | Command::Restore(_)) =>
        {
            Err(CliError::NoDryRun)
        }
        Some(Command::Cat { .. }) if printer.json => Err(CliError::NoJson("cat", "the dump")),
        Some(Command::Keygen { .. }) if printer.json => {
            Err(CliError::NoJson("keygen", "an identity file"))
        }
        None if dry_run => dry_run::run(&open()?, printer, stop, &[]).await,
        None => {
            // The image says `run`; whoever says nothing wants to know what there is.
            printer.say(&Arguments::command().render_help().to_string());
            Ok(Err(Failure(ErrorKind::Usage)))
        }
        Some(Command::Backup { sources, dry_run: also }) if dry_run || also => {
            dry_run::run(&open()?, printer, stop, &sources).await
        }
        Some(Command::Backup { sources, .. }) => {
            backup::run(&open()?, printer, stop, &sources).await
        }
        Some(Command::Run) => run::run(open()?, written.clone(), printer, stop).await,
        Some(Command::Doctor) => doctor::run(&written, printer, stop).await,
        Some(Command::Labels { prefix, command }) => labels::run(printer, &prefix, command),
        Some(Command::Config { command: ConfigCommand::Schema }) => config::schema(printer),
        Some(Command::Config { command: ConfigCommand::Check }) => config::check(&open()?, printer),
        Some(Command::Config { command: ConfigCommand::Show }) => config::show(&open()?, printer),
        Some(Command::List { sources }) => inspect::list(&open()?, printer, &sources),
        Some(Command::History { sources, limit }) => {
            history::run(&open()?, printer, &sources, limit.get())
        }
        Some(Command::Show { archive }) => inspect::show(&open()?, printer, &archive),
        Some(Command::Verify { archives, level, identities }) => {
            let app = open()?;
            let identities = match level {
                Level::Stored if identities.is_empty() => Identities::default(),
                Level::Stored => return Err(CliError::NoIdentityNeeded),
                Level::Deep | Level::Drill => keys::unlock(&app, &identities, &stop).await?,
            };
            match level {
                Level::Drill => drill::run(&app, printer, stop, identities, &archives, None).await,
                _ => verify::run(&app, printer, stop, identities, &archives, level).await,
            }
        }
        Some(Command::Sign { archives }) => sign::run(&open()?, printer, stop, &archives).await,
        Some(Command::Cat { archive, identities }) => {
            let app = open()?;
            let identities = keys::unlock(&app, &identities, &stop).await?;
            restore::cat(&app, printer, stop, &archive, identities).await
        }
        Some(Command::Restore(mut wanted)) => {
            wanted.dry_run |= dry_run;
            let app = open()?;
            let identities = keys::unlock(&app, &wanted.identities, &stop).await?;
            Box::pin(restore::run(&app, printer, stop, identities, wanted)).await
        }
        Some(Command::Drill { archives, image, identities }) => {
            let app = open()?;
            let identities = keys::unlock(&app, &identities, &stop).await?;
            drill::run(&app, printer, stop, identities, &archives, image.as_deref()).await
        }
        Some(Command::Rekey { archives, all, to, identities }) => {
            let app = open()?;
            let identities = keys::unlock(&app, &identities, &stop).await?;
            let asked = rekey::Asked { archives, all, to };
            rekey::run(&app, printer, stop, asked, identities).await
        }
        Some(Command::Keygen { signing: true, output: Some(output) }) => {
            sign::generate(printer, &output)
        }
        Some(Command::Keygen { output, .. }) => keys::generate(printer, output.as_deref()),
        Some(Command::Aside { arguments }) => aside::run(printer, arguments, &stop).await,
    }
}

/// Reads the catalogue and says which manifests it could not read.
fn archives(app: &App, printer: &Printer) -> Result<Catalogue, CliError> {
    let catalogue = catalogue_of_all(&app.stores, &app.signing)?;
    for error in &catalogue.unreadable {
        printer.error(error);
    }
    Ok(catalogue)
}

/// Finds the archive that somebody means, and says what was passed over on the way.
fn find(catalogue: &Catalogue, printer: &Printer, meant: &str) -> Result<Archive, CliError> {
    let Found { archive, passed_over, newest_of_all } = archive::find(catalogue, meant)?;
    let id = &archive.manifest.id;
    for broken in passed_over {
        printer.say(&format!("archive {broken} is broken and is passed over: `{meant}` is {id}"));
    }
    if newest_of_all {
        let at = archive.manifest.started_at;
        printer.say(&format!("no archive is newer than {id}, started at {at}: `{meant}` is that"));
    }
    Ok(archive)
}

/// Turns the first SIGINT or SIGTERM into a [`Stop`], and ends the returned wait at the second. Without
/// handlers, the first process of a container would not hear them at all.
fn stop_on_signals() -> Result<(Stop, impl Future<Output = ()>), CliError> {
    use tokio::signal::unix::{SignalKind, signal};

    let (stopper, stop) = Stop::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let insisted = async move {
        for _ in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stopper.stop();
        }
    };
    Ok((stop, insisted))
}
