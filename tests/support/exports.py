"""Exports of labelling tools, and what is imported from them."""

import json
from pathlib import Path
from typing import Any

from ray_wssis.data.imports.points import Imported, import_points

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><name>image</name></task></meta>{}</annotations>"""


def imported(folder: Path, name: str, content: Any, **options: Any) -> Imported:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    export = folder / (name.partition("/")[0])
    classes, images = folder / "classes.json", folder / "images"
    return import_points(str(export), classes=str(classes), images=str(images), **options)


def points(found: Imported) -> list[tuple[Any, ...]]:
    """File, class and place of each object."""
    names = [category.name for category in found.records.categories]
    return [
        (record.file, names[obj.label], *obj.point)
        for record in found.records
        for obj in record.objects
        if obj.point is not None
    ]


def findings(found: Imported) -> list[tuple[str, str]]:
    return [(problem.kind, problem.where) for problem in found.problems]


def cvat(*images: str) -> str:
    return CVAT.format("".join(images))


def cvat_image(shapes: str, name: str = "a.png", size: str = 'width="40" height="30"') -> str:
    return f'<image id="0" name="{name}" {size}>{shapes}</image>'


def task(*regions: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """A task of Label Studio with one annotation."""
    marks = {"id": 5, "was_cancelled": False, "updated_at": "2026-01-02", "result": list(regions)}
    return {"id": 1, "data": {"image": "/data/upload/3/a.png"}, "annotations": [marks]} | extra


def key_point(x: float, y: float, **extra: Any) -> dict[str, Any]:
    return {
        "id": "k",
        "type": "keypointlabels",
        "original_width": 40,
        "original_height": 30,
        "image_rotation": 0,
        "value": {"x": x, "y": y, "width": 0.5, "keypointlabels": ["cat"]},
    } | extra


def labelme(*shapes: dict[str, Any], path: str = "a.png") -> dict[str, Any]:
    return {"imagePath": path, "imageWidth": 40, "imageHeight": 30, "shapes": list(shapes)}


def shape(x: float, y: float, **extra: Any) -> dict[str, Any]:
    return {"label": "cat", "shape_type": "point", "points": [[x, y]], "group_id": None} | extra


TWO = {
    "points.csv": "y,x,class,image\n20.25,10.5,cat,a.png\n2,31,dog,a.png\n",
    "annotations.xml": cvat(
        cvat_image(
            '<points label="cat" source="manual" occluded="0" points="10.50,20.25" z_order="0">'
            '</points><points label="dog" occluded="0" points="31.00,2.00" z_order="0"/>'
        )
    ),
    "labels/a.json": labelme(shape(10.5, 20.25), shape(31, 2, label="dog")),
    "export.json": [
        task(
            key_point(26.25, 67.5),
            key_point(
                77.5, 100 * 2 / 30, value={"x": 77.5, "y": 20 / 3, "keypointlabels": ["dog"]}
            ),
        )
    ],
}


def scribble_file(*scribbles: tuple[str, list[tuple[int, int]]]) -> str:
    """A file of ScribbleSup about an image of 6 x 4 pixels."""
    drawn = "".join(
        f"<polygon><tag>{tag}</tag>"
        + "".join(f"<point><X>{x}</X><Y>{y}</Y></point>" for x, y in places)
        + "</polygon>"
        for tag, places in scribbles
    )
    size = "<size><width>6</width><height>4</height><depth>3</depth></size>"
    return (
        f"<annotation><filename>1.png</filename>{size}<segmented>1</segmented>{drawn}</annotation>"
    )
