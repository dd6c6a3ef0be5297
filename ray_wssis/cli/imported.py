"""Words about an import, for `wssis data import`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray_wssis.data.imports.points import Imported


def import_report(imported: "Imported") -> dict[str, Any]:
    """Build the JSON about what was imported and what was not."""
    from ray_wssis.data.split.cut import count_classes

    return {
        "format": imported.export_format,
        "num_images": len(imported.records),
        "num_instances_per_class": count_classes(imported.records),
        "num_images_left_out": imported.num_left_out,
        "image_names": {name: found.file for name, found in imported.names.found.items()},
        "num_masks": imported.num_masks,
        "num_empty_images": imported.num_empty,
        "num_joined_parts": imported.num_joined[0],
        "num_joined_objects": imported.num_joined[1],
        "num_others": dict(imported.others),
        "problems": [asdict(problem) for problem in imported.problems],
    }


def import_lines(imported: "Imported", out: str) -> list[str]:
    """Say what was imported and what was not."""
    from ray_wssis.data.split.cut import count_classes

    per_class = {name: n for name, n in count_classes(imported.records).items() if n}
    num_objects = sum(per_class.values())
    kinds = [f"{num_objects - imported.num_masks} objects with points"]
    kinds += [f"{imported.num_masks} with masks"] if imported.num_masks else []
    kinds += [f"{imported.num_empty} empty images"] if imported.num_empty else []
    left_out = [f"{imported.num_left_out} images without a usable point"]
    left_out += [f"{n} {kind}" for kind, n in imported.others.most_common()]
    lines = [
        f"{imported.export_format}: {len(imported.records)} images, {', '.join(kinds)}"
        + (f": {', '.join(f'{n} {name}' for name, n in per_class.items())}" if per_class else ""),
        f"Left out: {', '.join(left_out)}",
        f"Written: {out}" if per_class else "Nothing was written",
    ]
    if per_class and any(problem.severity == "warning" for problem in imported.problems):
        lines.insert(2, "Objects without a point count as background: fix them, import again.")
    if imported.names.found:
        lines.insert(1, imported.names.summary())
    if imported.num_joined[1]:
        parts, objects = imported.num_joined
        lines.insert(1, f"Joined: {parts} points and masks into {objects} objects")
    return lines
