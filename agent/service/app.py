"""The HTTP API: what can be asked of the service, and what it answers. Its page of documentation is /docs."""

import json
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, get_args

from fastapi import FastAPI, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException

from agent.service import files, jobs, pages
from agent.service.answers import Answers
from agent.service.config import ServiceConfig
from agent.service.guard import Guard
from agent.service.queue import Conflict, NoSuchStudy, Queue
from agent.service.scheduler import Scheduler
from agent.service.streaming import Streams, add_events
from agent.service.submission import as_stored, new_name, settings_of
from agent.service.token import pass_name, reading_pass
from agent.service.types import (
    NAME,
    NAME_IN_WORDS,
    Artifact,
    Detail,
    Fault,
    Health,
    Note,
    State,
    Submission,
    Summary,
    WrittenNote,
)
from agent.settings.secrets import mask
from agent.study_folder import names
from tools.errors import AugurError, ConfigurationError

Name = Annotated[str, PathParameter(pattern=NAME, description="name of a study")]
_FAULTS: dict[int | str, dict[str, Any]] = {
    401: {"model": Fault, "description": "the token is missing or wrong"},
    404: {"model": Fault, "description": "there is no such study or file"},
    409: {"model": Fault, "description": "the study is in another state"},
    413: {"model": Fault, "description": "the request is too long"},
    422: {"model": Fault, "description": "a value is wrong; says which, and what is allowed"},
    429: {"model": Fault, "description": "too many requests"},
}
_MOST_LISTED = 1_000
_REASONS = {
    "extra_forbidden": "is not known here; /docs lists what a request may have, and settings go below `settings`",
    "missing": "is missing",
    "dict_type": "must be an object, as in {…}",
    "model_attributes_type": "must be an object, as in {…}",
    "string_type": "must be a text",
    "string_unicode": "has a character that Unicode does not have",
}
"""Kinds of pydantic's faults → what they say here."""
_SUMMARIES = TypeAdapter(list[Summary])


def make_app(
    config: ServiceConfig, queue: Queue, scheduler: Scheduler, asked: jobs.Jobs, token: str | None
) -> FastAPI:
    """The application.

    Args:
        config: what the service was told.
        queue: of its studies.
        scheduler: is woken when something is asked.
        asked: answers what needs MLflow.
        token: that clients must show; None: whoever reaches the service may use it.
    """
    app = FastAPI(
        title="Augur: studies as a service",
        version=version("augur-vision"),
        description="Queue studies, follow them, and fetch what they found.",
        docs_url=None,
        redoc_url=None,
        responses=_FAULTS,
    )
    app.add_middleware(Guard, config=config, token=token)
    answers = Answers(config, queue)
    _add_faults(app)
    _add_pages(app, config, queue, token)
    _add_studies(app, config, queue, scheduler, answers)
    _add_findings(app, config, queue, asked)
    add_events(app, Streams(config, queue, answers))
    return app


def _add_studies(
    app: FastAPI, config: ServiceConfig, queue: Queue, scheduler: Scheduler, answers: Answers
) -> None:
    """Submit, list, show, pause, resume, cancel, note."""

    @app.get("/api/studies", tags=["studies"], response_model=list[Summary])
    def list_studies(state: str = "", limit: int = _MOST_LISTED) -> Response:
        """The studies in the order of their submission; `state`: only those in it; `limit`: only the latest."""
        if state and state not in get_args(State):
            raise ConfigurationError(f"state = {state!r}: must be one of {', '.join(get_args(State))}")
        return _written(_SUMMARIES.dump_json(answers.summaries(state, min(max(limit, 1), _MOST_LISTED))))

    @app.post(
        "/api/studies", tags=["studies"], status_code=201, responses={200: {"description": "known already"}}
    )
    def submit(submission: Submission, response: Response) -> Detail:
        """Queue a study. The same name with the same settings is the same study: a request can be repeated."""
        chosen = settings_of(submission, config.runs_dir, os.environ)
        name = chosen.study or new_name(chosen, _taken(config, queue))
        known = any(entry.name == name for entry in queue.entries())
        if not known and name in names(config.runs_dir):
            raise Conflict(
                f"name = {name!r}: the folder of runs holds a study of that name already. Choose another name."
            )
        entry, new = queue.add(name, as_stored(chosen))
        response.status_code = 201 if new else 200
        scheduler.wake()
        return answers.detail(entry.name)

    @app.get("/api/studies/{name}", tags=["studies"], response_model=Detail)
    def show(name: Name) -> Response:
        """One study: its state, how far it is, its settings and notes."""
        return _written(answers.detail(name).model_dump_json())

    def add_step(action: str, step: Callable[[str], object], meaning: str) -> None:
        def act(name: Name) -> Detail:
            step(name)
            scheduler.wake()
            return answers.detail(name)

        app.post(
            f"/api/studies/{{name}}/{action}",
            tags=["studies"],
            summary=action.capitalize(),
            description=meaning,
            operation_id=action,
        )(act)

    add_step("pause", queue.pause, "Let it wait. A study that runs is interrupted, and keeps all it has.")
    add_step("resume", queue.resume, "Queue a paused or failed study again; it continues where it was.")
    add_step("cancel", queue.cancel, "End it for good. Its files stay.")

    @app.get("/api/studies/{name}/notes", tags=["studies"])
    def list_notes(name: Name) -> list[WrittenNote]:
        """The notes on a study, oldest first."""
        return answers.detail(name).notes

    @app.post("/api/studies/{name}/notes", tags=["studies"], status_code=201)
    def add_note(name: Name, note: Note) -> WrittenNote:
        """Write a note; a language model reads it before its next proposal."""
        taken = queue.add_note(name, note.text)
        scheduler.wake()
        return WrittenNote(text=taken.text, written=taken.written, delivered=False)


def _written(text: str | bytes) -> Response:
    """What is asked for often: FastAPI would check and write a second time what pydantic has made."""
    return Response(text, media_type="application/json")


def _add_findings(app: FastAPI, config: ServiceConfig, queue: Queue, asked: jobs.Jobs) -> None:
    """Report, result, log, artifacts."""

    @app.get("/api/studies/{name}/report", tags=["findings"], response_class=HTMLResponse)
    def report(name: Name) -> Response:
        """The report as one page; of a study that runs, what is known so far."""
        state = queue.get(name).state
        page = files.folder_of(config, name) / "report.html"
        if state != "finished" or not page.is_file():
            page = Path(asked.ask(jobs.report, name, config.runs_dir))
        return HTMLResponse(page.read_bytes(), headers={"Content-Security-Policy": pages.REPORT_POLICY})

    @app.get("/api/studies/{name}/result", tags=["findings"])
    def result(name: Name) -> dict[str, Any]:
        """What it tried, found and spent: the document of `agent show --json`."""
        queue.get(name)
        files.folder_of(config, name)
        found = asked.ask(jobs.result, name, config.runs_dir)
        return json.loads(mask(json.dumps(found)))

    @app.get("/api/studies/{name}/log", tags=["findings"])
    def log(name: Name) -> Response:
        """What it printed."""
        queue.get(name)
        return files.log(config, name)

    @app.get("/api/studies/{name}/artifacts", tags=["findings"])
    def artifacts(name: Name) -> list[Artifact]:
        """Its files."""
        queue.get(name)
        return files.listed(files.folder_of(config, name))

    @app.get("/api/studies/{name}/artifacts/{path:path}", tags=["findings"], response_class=Response)
    def artifact(name: Name, path: str) -> Response:
        """One of its files."""
        queue.get(name)
        return files.sent(files.folder_of(config, name), path)


def _add_pages(app: FastAPI, config: ServiceConfig, queue: Queue, token: str | None) -> None:
    """What a browser shows."""

    @app.get("/health", tags=["service"])
    def health() -> Health:
        """That the service answers, and how much it has to do; needs no token."""
        counts = queue.counts()
        running = sum(counts.get(state, 0) for state in ("running", "pausing", "cancelling"))
        return Health(version=app.version, queued=counts.get("queued", 0), running=running)

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return pages.start_page(config)

    @app.get("/page/{file}", include_in_schema=False)
    def page_file(file: str) -> Response:
        return pages.part(file)

    @app.get("/docs", include_in_schema=False)
    def documentation() -> Response:
        return pages.documentation(app.openapi())

    @app.post("/api/page-pass", include_in_schema=False, status_code=204)
    def page_pass(request: Request) -> Response:
        """Called by the page with the token: from then on its links may be read."""
        response = Response(status_code=204)
        if token is not None:
            response.set_cookie(
                pass_name(token),
                reading_pass(token),
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
            )
        return response


def _taken(config: ServiceConfig, queue: Queue) -> set[str]:
    return {entry.name for entry in queue.entries()} | set(names(config.runs_dir))


def _add_faults(app: FastAPI) -> None:
    """Every error is one text: the value, the place and the remedy."""

    def answer(status: int, text: str) -> JSONResponse:
        return JSONResponse({"error": mask(text)}, status)

    @app.exception_handler(AugurError)
    def expected(request: Request, error: AugurError) -> JSONResponse:
        kinds = {NoSuchStudy: 404, files.NoSuchFile: 404, Conflict: 409, ConfigurationError: 422}
        status = next((code for kind, code in kinds.items() if isinstance(error, kind)), 409)
        return answer(status, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(422, "\n".join(_in_words(fault) for fault in error.errors()))

    @app.exception_handler(HTTPException)
    def other(request: Request, error: HTTPException) -> JSONResponse:
        where = f"{request.method} {request.url.path}"
        known = {
            400: "the body is no JSON, or longer than the service takes",
            404: "there is nothing at this address",
            405: "this address does not take this method",
        }
        text = known.get(error.status_code, str(error.detail))
        return answer(error.status_code, f"{where}: {text}; /docs lists what can be asked")

    @app.exception_handler(Exception)
    def bug(request: Request, error: Exception) -> JSONResponse:
        return answer(500, "this is a bug in Augur: please report it with what the service printed.")


def _in_words(fault: Any) -> str:
    """What is wrong with one value of a request; the value itself is not repeated: it may be a secret."""
    place = ".".join(str(part) for part in fault["loc"] if part not in ("body", "query", "path", "header"))
    reason: str = _REASONS.get(fault["type"]) or fault["msg"]
    if fault["type"] == "string_pattern_mismatch" and place == "name":
        reason = f"must be {NAME_IN_WORDS}"
    if fault["type"] == "json_invalid":
        return f"the body is no JSON: {fault['ctx']['error']} at character {place}"
    return f"{place or 'the body'}: {reason[:1].lower()}{reason[1:]}"
