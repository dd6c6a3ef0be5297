"""A second chance for a run whose list of checkpoints was cut short."""

import io
import json
import pickle

from upath import UPath

from ray_wssis.training.folder import SNAPSHOT, STATE


def rescue(run: UPath) -> str | None:
    """Make a run folder usable whose list of checkpoints was cut short by a kill or a full disk.

    Ray Train refuses to start with a broken list.  It is moved out of the way, and the newest
    readable checkpoint is returned, to continue from.
    """
    snapshot = run / SNAPSHOT
    if not snapshot.exists():
        return None
    try:
        json.loads(snapshot.read_text())
        return None
    except ValueError:
        snapshot.rename(run / f"{SNAPSHOT}.broken")
    import torch  # seldom needed

    for state in sorted(run.glob(f"checkpoint_*/{STATE}"), reverse=True):
        try:
            torch.load(io.BytesIO(state.read_bytes()), map_location="cpu", weights_only=True)
            return str(state.parent)
        except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            continue  # cut short as well; an older one may be whole
    return None
