"""The command line: which commands there are.  Each of them loads its libraries when it runs."""

from importlib.metadata import entry_points

import typer

from ray_wssis.cli import config, data, model, pipeline
from ray_wssis.cli.annotate import annotate
from ray_wssis.cli.audit import audit_command
from ray_wssis.cli.budget import budget_command
from ray_wssis.cli.compare import compare_command
from ray_wssis.cli.doctor import doctor
from ray_wssis.cli.plan import plan_command
from ray_wssis.cli.sentences import Sentences
from ray_wssis.cli.suggest import suggest_command
from ray_wssis.cli.tag import tag_command

COMMANDS = "ray_wssis.commands"  # entry points of packages above this one

app = typer.Typer(
    cls=Sentences,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A few masks and many points in, a trained instance segmenter out.",
)
train = typer.Typer(no_args_is_help=True, help="Train one of the networks, after what it needs.")
app.add_typer(data.app, name="data")
app.add_typer(config.app, name="config")
app.add_typer(train, name="train")

app.command("demo")(pipeline.demo)
app.command("plan")(plan_command)
app.command("run")(pipeline.run)
train.command("teacher", help="Train on the strong images.")(pipeline.run_until("teacher"))
train.command("refiner", help="Train the network that improves rough masks.")(
    pipeline.run_until("refiner")
)
train.command("student", help="Train on true and pseudo masks.")(pipeline.run_until("student"))
app.command("label")(pipeline.label)
app.command("evaluate", help="Measure the average precision of every network.")(
    pipeline.run_until("evaluation")
)
app.command("report", help="Write the page about it all.")(pipeline.run_until("report"))

app.command("audit")(audit_command)
app.command("compare")(compare_command)
app.command("budget")(budget_command)
app.command("annotate")(annotate)
app.command("suggest")(suggest_command)
app.command("tag")(tag_command)
app.command("doctor")(doctor)
app.command("import-checkpoint")(model.import_checkpoint)
app.command("export")(model.export)
for offered in entry_points(group=COMMANDS):  # `serve`; none if that package is not installed
    app.command(offered.name)(offered.load())
