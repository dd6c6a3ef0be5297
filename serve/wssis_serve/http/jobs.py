"""Routes of bulk jobs."""

from collections.abc import Iterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from upath import UPath

from wssis_serve.http.schemas import Job, JobIn
from wssis_serve.http.state import backend_of

BLOCK = 1 << 20  # bytes

routes = APIRouter()


@routes.post("/v1/jobs", status_code=202)
async def submit_job(request: Request, wanted: JobIn) -> Job:
    """Label the points of a COCO file, on images that the server can read, in the background.

    A cancelled or failed job continues when it is posted again; a finished one is not repeated.
    """
    return Job.model_validate(await backend_of(request).submit(wanted.images, wanted.points))


@routes.get("/v1/jobs")
async def list_jobs(request: Request) -> dict[str, list[Job]]:
    """All bulk jobs, the newest first."""
    return {"jobs": [Job.model_validate(job) for job in await backend_of(request).jobs()]}


@routes.get("/v1/jobs/{job_id}")
async def read_job(request: Request, job_id: str) -> Job:
    """Progress of a bulk job."""
    return Job.model_validate(await backend_of(request).job(job_id))


@routes.delete("/v1/jobs/{job_id}")
async def cancel_job(request: Request, job_id: str) -> Job:
    """End a bulk job.  Finished work is kept, and is not repeated if the job is posted again."""
    return Job.model_validate(await backend_of(request).cancel(job_id))


@routes.post("/v1/jobs/{job_id}/retry", status_code=202)
async def retry_job(request: Request, job_id: str) -> Job:
    """Label the images that failed once more; what is labelled stays."""
    return Job.model_validate(await backend_of(request).retry(job_id))


@routes.get("/v1/jobs/{job_id}/result", response_class=StreamingResponse)
async def read_result(request: Request, job_id: str) -> Response:
    """The COCO file with all masks."""
    file = await backend_of(request).result(job_id)
    return StreamingResponse(blocks(file), media_type="application/json")


def blocks(file: UPath) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block
