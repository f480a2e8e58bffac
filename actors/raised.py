"""What an author is told of an exception of their code, and where it was raised. For logs only: it is never folded."""

NOTE_CHARS_MAX = 500


class WrongValue(Exception):
    """An author's value that cannot be used; its message says which."""


def note_of(error: BaseException) -> str:
    """What was raised and, if it was in an author's code, at which line of which file, in which function."""
    said, place = _said(error)[:NOTE_CHARS_MAX], place_of(error)
    return f"{said}; {place}" if place else said


def _said(error: BaseException) -> str:
    try:
        return str(error) if isinstance(error, WrongValue) else f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - an author's exception may raise once more when it is asked what it says
        return type(error).__name__


def place_of(error: BaseException) -> str:
    """The last line within the file that was called: what it calls in turn is not where its author must look."""
    trace = error.__traceback__
    ours = trace.tb_frame.f_code.co_filename if trace else ""
    theirs = place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        theirs = theirs or (code.co_filename if code.co_filename != ours else "")
        if code.co_filename == theirs:
            place = f"{theirs.rpartition('/')[2]}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next
    return place
