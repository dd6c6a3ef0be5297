"""`wssis data`: create, import, split, check and correct data sets.

Commands import what they need when they run, so that the command line starts quickly.
"""

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ray_wssis.cli.class_maps import find_problems, is_tree, split_class_maps
from ray_wssis.cli.findings import console, has_errors, report, show, stop
from ray_wssis.cli.imported import import_lines, import_report
from ray_wssis.data.coco.crowds import Crowds
from ray_wssis.data.imports.export_format import ExportFormat
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.sparse.kind import SparseKind
from ray_wssis.storage import locate

app = typer.Typer(
    no_args_is_help=True,
    help="Create, import, split, check and correct data sets (COCO files, class maps).",
)

Annotations = Annotated[str, typer.Argument(help="COCO instance file, a path or a URI.")]


@app.command()
def shapes(
    out: Annotated[str, typer.Argument(help="Folder to write to.")],
    images: Annotated[int, typer.Option(min=1, help="Number of images.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    size: Annotated[int, typer.Option(min=64, help="Side of each image, in pixels.")] = 128,
) -> None:
    """Write the built-in data set: textured shapes with exact masks."""
    from ray_wssis.data.builtin.shapes import write_shapes

    annotations = write_shapes(out, images, seed, size)
    console().print(f"{images} images and their masks: {escape(str(annotations))}", soft_wrap=True)


@app.command()
def semantic_shapes(
    out: Annotated[str, typer.Argument(help="Folder to write to.")],
    images: Annotated[int, typer.Option(min=1, help="Number of images.")] = 316,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 0,
    size: Annotated[int, typer.Option(min=64, help="Side of each image, in pixels.")] = 64,
) -> None:
    """Write the built-in data set with class maps: discs and squares in confusable colours."""
    from ray_wssis.data.builtin.semantic_shapes import write_semantic_shapes

    folder = write_semantic_shapes(out, images, seed, size)
    console().print(f"{images} images and class maps: {escape(str(folder))}", soft_wrap=True)


@app.command("import")
def import_(
    export: Annotated[
        str,
        typer.Argument(
            help="CSV (image,x,y,class), annotations.xml of CVAT, folder of LabelMe, or JSON of "
            "Label Studio."
        ),
    ],
    out: Annotated[str, typer.Argument(help="COCO file to write.")],
    classes: Annotated[str, typer.Option(help="COCO file with the classes: the one with masks.")],
    images: Annotated[str, typer.Option(help="Folder of the images, whose sizes are read.")],
    export_format: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="Format of EXPORT, if not recognized."),
    ] = None,
    pixel_indices: Annotated[
        bool, typer.Option("--pixel-indices", help="x and y are pixel indices: add 0.5 to each.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Convert points and masks from another tool into a COCO file; exit 1 when none is usable."""
    from ray_wssis.data.coco.write import write_coco
    from ray_wssis.data.imports.points import import_points

    try:
        if locate(out) in (locate(export), locate(classes)):
            raise ValueError(f"{out} would be overwritten; choose another file to write")
        imported = import_points(
            export,
            classes=classes,
            images=images,
            export_format=export_format,
            pixel_indices=pixel_indices,
        )
    except ValueError as error:
        stop(error)
    if imported.num_objects:
        write_coco(imported.records, out, info={"description": "imported"})
    if as_json:
        typer.echo(json.dumps(import_report(imported), indent=2))
    else:
        if imported.problems:
            show(imported.problems)
        for line in import_lines(imported, out):
            console().print(escape(line), soft_wrap=True)
    if not imported.num_objects:
        raise typer.Exit(1)


@app.command()
def split(
    annotations: Annotated[
        str, typer.Argument(help="COCO instance file, or the folder of a data set with class maps.")
    ],
    out: Annotated[str, typer.Argument(help="Folder to write the two files and the manifest to.")],
    percent: Annotated[
        float, typer.Option(help="Percent of the images that keep their masks.")
    ] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the images chosen and of random points.")] = 0,
    point: Annotated[PointKind, typer.Option(help="Position of the point in its mask.")] = (
        PointKind.CENTROID
    ),
    images: Annotated[
        str | None, typer.Option(help="Folder of the images: check the input before splitting.")
    ] = None,
    crowds: Annotated[
        Crowds, typer.Option(help="Meaning of iscrowd 1: regions to ignore, or objects.")
    ] = Crowds.IGNORE,
    masks: Annotated[
        int | None, typer.Option(min=1, help="Of class maps: the number of images that keep them.")
    ] = None,
    tag_noise: Annotated[
        float, typer.Option(min=0, max=1, help="Of class maps: the share of tags that are wrong.")
    ] = 0,
    sparse: Annotated[
        SparseKind | None,
        typer.Option(help="Of class maps: what is drawn on all images, which lose their maps."),
    ] = None,
    per_class: Annotated[
        int, typer.Option(min=1, help="Points, clicks or strokes per class and image.")
    ] = 2,
    width: Annotated[int, typer.Option(min=1, help="Width of strokes, in pixels.")] = 3,
    radius: Annotated[
        float, typer.Option(min=0, help="Pixels around a point or click that count too.")
    ] = 0,
) -> None:
    """Split a labelled file into a strong part (masks) and a weak part (points, or tags, only).

    Of class maps, --sparse draws points, clicks or scribbles on all images instead.
    """
    from ray_wssis.data.check.coco import check_file
    from ray_wssis.data.sparse.config import SparseConfig
    from ray_wssis.data.split.files import split_file

    if is_tree(annotations):
        try:
            drawn = None
            if sparse is not None:
                drawn = SparseConfig(kind=sparse, per_class=per_class, width=width, radius=radius)
            table = split_class_maps(
                annotations, out, masks=masks, tag_noise=tag_noise, seed=seed, sparse=drawn
            )
        except ValueError as error:
            stop(error)
        console().print(table)
        return
    if sparse is not None:
        stop(ValueError("--sparse is for the folder of a data set with class maps"))
    if images is not None and has_errors(problems := check_file(annotations, images)):
        show(problems)
        raise typer.Exit(1)
    try:
        files = split_file(
            annotations,
            out,
            percent=percent,
            seed=seed,
            point_kind=point,
            crowds=crowds,
            images=images or "",
        )
    except ValueError as error:
        stop(error)
    table = Table("", "file", "images", "objects")
    for part in ("strong", "weak"):
        counts = files.manifest[part]
        file = str(files.strong if part == "strong" else files.weak)
        table.add_row(part, escape(file), f"{counts['num_images']}", f"{counts['num_instances']}")
    console().print(table)


@app.command()
def check(
    annotations: Annotated[
        str | None,
        typer.Argument(help="COCO instance file, or the folder of a data set with class maps."),
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="Folder of the images; without it only the file is checked.")
    ] = None,
    class_maps: Annotated[
        str | None, typer.Option(help="Folder of PNG class maps, named like the images.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Classes of the maps: a file, or names with commas between.")
    ] = None,
    tags: Annotated[
        str | None, typer.Option(help="CSV with the tags of images: file,tag;tag.")
    ] = None,
    sparse: Annotated[
        list[str] | None,
        typer.Option(
            help="Sparse labels: a folder of PNGs, or a file of a labelling tool; may be repeated."
        ),
    ] = None,
    not_annotated: Annotated[
        int, typer.Option(min=0, max=255, help="Of sparse PNGs: a value that says nothing.")
    ] = 255,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List everything that is wrong with a data set; exit 1 when there are errors."""
    from ray_wssis.data.sparse.config import SparseLabelsConfig

    labels = None
    if sparse:
        labels = SparseLabelsConfig(labels=tuple(sparse), not_annotated=not_annotated)
    try:
        problems = find_problems(annotations, images, class_maps, classes, tags, labels)
    except ValueError as error:
        stop(error)
    if as_json:
        typer.echo(json.dumps(report(annotations or class_maps, images, problems), indent=2))
    else:
        show(problems)
        if images is None and not is_tree(annotations):
            console().print("The images were not checked; pass --images DIR to include them.")
    if has_errors(problems):
        raise typer.Exit(1)


@app.command()
def fix(
    annotations: Annotations,
    out: Annotated[str, typer.Argument(help="File to write; it must not exist yet.")],
    images: Annotated[
        str | None, typer.Option(help="Folder of the images, for sizes that the file lacks.")
    ] = None,
) -> None:
    """Write a file without the mistakes that have one remedy; exit 1 when errors are left."""
    from ray_wssis.data.fix.coco import fix_file

    try:
        fixed = fix_file(annotations, out, images)
    except ValueError as error:
        stop(error)
    table = Table("fixed", "number", "how", "example")
    for each in fixed.fixes:
        table.add_row(*map(escape, (each.cause, f"{each.number}", each.done, each.example)))
    console().print(table if fixed.fixes else "Nothing to fix.")
    if fixed.left:
        console().print("Left as it is, because there is no obvious remedy:")
        show(fixed.left)
    console().print(f"Written: {escape(out)}", soft_wrap=True)
    if fixed.left:
        raise typer.Exit(1)


@app.command()
def merge(
    base: Annotations,
    corrections: Annotated[
        list[str], typer.Argument(help="COCO files; later ones take precedence.")
    ],
    out: Annotated[str, typer.Argument(help="File to write; it must not exist yet.")],
) -> None:
    """Replace masks in a file by corrected ones, matched by annotation id."""
    from ray_wssis.data.corrections.merge import merge_corrections

    try:
        merged = merge_corrections(base, corrections, out)
    except ValueError as error:
        stop(error)
    table = Table("", "annotations")
    for what, number in merged._asdict().items():
        if number or what != "refused":
            table.add_row(what, f"{number}")
    console().print(table)
    console().print(f"Written: {escape(out)}", soft_wrap=True)
