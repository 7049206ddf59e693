"""What follows from the surveys of a scan: changes, images first seen, and the index replaced where it differs."""

from collections.abc import Sequence

from kimchictl.actions.images.scan_records import Change, Problem, ScanOptions, ScanResult
from kimchictl.actions.images.surveys import Survey
from kimchictl.errors import Failed
from kimchictl.media.records import Image
from kimchictl.media.scan.changes import compare, note_changes, rows_of, since_reported, spread
from kimchictl.media.scan.document import Document
from kimchictl.media.scan.entries import ABSENT, INCOMPLETE, Entry, Row, to_image
from kimchictl.media.scan.index import Index, is_declined
from kimchictl.progress import Progress


def settle(surveys: Sequence[Survey], before: Document, options: ScanOptions, index: Index, result: ScanResult) -> None:
    """Settle what changed and is first seen, and replace the index where it differs."""
    reported: list[tuple[str, str, Row]] = []
    first: list[Image] = []
    for survey in surveys:
        old = rows_of(survey.known)
        note_changes(survey.place, old)
        reported += since_reported(survey.place) if options.changed else compare(old, rows_of(survey.place.entries))
        if options.changed:
            survey.place.since = {}
        first += _first_seen(survey, before, options)
        result.entries.update(rows_of(survey.place.entries))
    result.changes = tuple(Change(kind, to_image(row)) for kind, path, row in _once(reported))
    result.first_seen = tuple(
        sorted({image.location: image for image in first}.values(), key=lambda image: image.location)
    )
    if result.remembered and any(survey.altered for survey in surveys):
        try:
            _keep(surveys, index)
        except Failed as error:
            result.forgo(error, options)


def _keep(surveys: Sequence[Survey], index: Index) -> None:
    """Put what the surveys found into the index. Raises Locked, Failed."""
    with index.session() as document:
        for survey in surveys:
            index.save_stamps(survey.name, survey.place.stamps, survey.stamps)
            document.places[survey.name] = survey.place
        for survey in surveys:
            spread(document, survey.name)
    for survey in surveys:
        index.sweep_stamps(survey.name, survey.place.stamps)


def _once(changes: Sequence[tuple[str, str, Row]]) -> list[tuple[str, str, Row]]:
    """In order of path; of places that overlap each path once."""
    by_path = {change[1]: change for change in changes}
    return [by_path[path] for path in sorted(by_path)]


def _first_seen(survey: Survey, before: Document, options: ScanOptions) -> list[Image]:
    """The images to make templates of now. What is too fresh or incomplete stays pending for the next such scan."""
    place = survey.place
    place.automatic |= options.create_templates
    if not place.automatic:
        return []
    known = {path for other in before.places.values() if other.host == place.host for path in other.entries}
    offered = []
    for path, entry in place.entries.items():
        pending = entry.pending or path not in known
        image = entry.image if pending and entry.row is not None else None
        waits = image is not None and _is_unfinished(image, entry)
        if options.create_templates and image is not None and not waits:
            if image.bootable and image.error is None and not is_declined(before, image):
                offered.append(image)
            pending = False
        if pending != entry.pending and entry.row is not None:
            place.entries[path] = entry._replace(pending=pending)
    return offered


def _is_unfinished(image: Image, entry: Entry) -> bool:
    """Is the image absent or incomplete, or did it change in the last minute, so that it may still be copied?"""
    from kimchictl.media.probe import is_fresh  # not loaded by a scan that finds nothing new

    return image.error in (ABSENT, INCOMPLETE) or is_fresh(entry.status[3] / 1e9)


def summarise(surveys: Sequence[Survey], index: Index, result: ScanResult, progress: Progress) -> None:
    """Counters, problems and notes of all the places together."""
    total, problems = result.counters, {}
    for survey in surveys:
        total.add(survey.counters)
        for path, why in survey.place.problems.items():
            problems[path] = Problem(path, why, survey.old.problems.get(path) != why)
    result.problems = tuple(problems[path] for path in sorted(problems))
    absent = sum(entry.absent for survey in surveys for entry in survey.place.entries.values())
    result.notes = (
        *result.notes,
        *index.take_notes(),
        *([f"{absent} images are absent: their file system is not mounted"] if absent else []),
    )
    progress.detail(
        f"{total.directories} directories, {total.read} of them read with {total.files} files in them; "
        f"{total.images} images, {total.opened} files opened, {total.reads} reads, {total.bytes} bytes"
    )
