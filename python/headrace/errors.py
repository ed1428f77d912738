"""The exceptions of Headrace, one per error code. Made by tools/generate_errors.py from src/base/error_codes.def: do not edit."""

from __future__ import annotations

from typing import ClassVar


class HeadraceError(Exception):
    """What went wrong, its number and name, what can be done about it, and where.

    Attributes:
        code: the number in the table of errors, such as 2003.
        name: its name there, such as "unknown_column".
        message: what happened, with the values concerned.
        remedy: what the user can do; may be empty.
        at: the place in a project's file, such as "sql/pipeline.sql:12:8"; may be empty.

    >>> str(UnknownColumn("no column 'prize'", remedy="did you mean 'price'?", at="sql/a.sql:1:8"))
    "sql/a.sql:1:8: error 2003 (unknown_column): no column 'prize'; did you mean 'price'?"
    """

    code: ClassVar[int] = 9001
    name: ClassVar[str] = "internal"

    def __init__(self, message: str, *, remedy: str = "", at: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.at = at

    def __str__(self) -> str:
        place = f"{self.at}: " if self.at else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{place}error {self.code} ({self.name}): {self.message}{remedy}"


class ConfigError(HeadraceError):
    """Configuration: a project, an option, a decorator's argument."""


class SqlError(HeadraceError):
    """SQL and plans."""


class RecordError(HeadraceError):
    """A record or row."""


class FunctionError(HeadraceError):
    """A Python function."""


class OutsideError(HeadraceError):
    """Another system or the disk."""


class RequestError(HeadraceError):
    """A request to the engine's doors."""


class InternalError(HeadraceError):
    """A bug in Headrace."""


class BadConfig(ConfigError):
    """A configuration value or option is missing, of the wrong form or out of range."""

    code = 1001
    name = "bad_config"


class UnknownOption(ConfigError):
    """An option's name is not known; the message names the nearest one."""

    code = 1002
    name = "unknown_option"


class BadProject(ConfigError):
    """The project directory or one of its files cannot be read."""

    code = 1003
    name = "bad_project"


class BadDuration(ConfigError):
    """A text is not a duration such as '10 s'."""

    code = 1004
    name = "bad_duration"


class BadContract(ConfigError):
    """A contract file is not of the agreed form."""

    code = 1005
    name = "bad_contract"


class MissingVariable(ConfigError):
    """A ${NAME} stands in the project, and neither profile nor environment has it."""

    code = 1006
    name = "missing_variable"


class SyntaxError(SqlError):
    """A statement does not follow the grammar."""

    code = 2001
    name = "syntax_error"


class UnknownRelation(SqlError):
    """A table, view or source is not known."""

    code = 2002
    name = "unknown_relation"


class UnknownColumn(SqlError):
    """A column is not known."""

    code = 2003
    name = "unknown_column"


class BindError(SqlError):
    """An expression does not fit the types of its columns or functions."""

    code = 2004
    name = "bind_error"


class DuplicateName(SqlError):
    """Two statements define the same name."""

    code = 2005
    name = "duplicate_name"


class UnsupportedSql(SqlError):
    """The SQL is understood, but this engine does not run it."""

    code = 2006
    name = "unsupported_sql"


class UnknownFunction(SqlError):
    """A function is not known."""

    code = 2007
    name = "unknown_function"


class ChangelogMismatch(SqlError):
    """A result that changes is sent to a sink that can only append."""

    code = 2010
    name = "changelog_mismatch"


class MissingWatermark(SqlError):
    """An operator over event time reads an input without a watermark."""

    code = 2011
    name = "missing_watermark"


class KeyMismatch(SqlError):
    """The key of a sink or view is not a key of its query."""

    code = 2012
    name = "key_mismatch"


class Nondeterministic(SqlError):
    """A non-deterministic expression stands over an input that retracts."""

    code = 2013
    name = "nondeterministic"


class BadTimeColumn(SqlError):
    """A window's DESCRIPTOR does not name an event-time column."""

    code = 2014
    name = "bad_time_column"


class UnboundedState(SqlError):
    """State would grow without bound."""

    code = 2015
    name = "unbounded_state"


class MalformedRecord(RecordError):
    """The bytes of a record do not follow its format."""

    code = 3001
    name = "malformed_record"


class WrongType(RecordError):
    """A field's value is not of its column's type."""

    code = 3002
    name = "wrong_type"


class OutOfRange(RecordError):
    """A field's value does not fit its column's type."""

    code = 3003
    name = "out_of_range"


class MissingField(RecordError):
    """A field that must be there is missing or NULL."""

    code = 3004
    name = "missing_field"


class ExtraField(RecordError):
    """A record has a field that its schema does not have."""

    code = 3005
    name = "extra_field"


class InvalidUtf8(RecordError):
    """A text is not UTF-8."""

    code = 3006
    name = "invalid_utf8"


class FutureTime(RecordError):
    """A record's time lies further in the future than max_future allows."""

    code = 3007
    name = "future_time"


class ExpectationFailed(RecordError):
    """A record breaks an expectation of its contract."""

    code = 3008
    name = "expectation_failed"


class LateRow(RecordError):
    """A row came after every window it belongs to had closed."""

    code = 3009
    name = "late_row"


class ExpressionFailed(RecordError):
    """An expression failed on a row."""

    code = 3010
    name = "expression_failed"


class TruncatedInput(RecordError):
    """A compressed or columnar input ends in the middle."""

    code = 3011
    name = "truncated_input"


class UnsupportedChange(RecordError):
    """A change record that cannot be applied to single rows, or lacks the row before it."""

    code = 3012
    name = "unsupported_change"


class FunctionRaised(FunctionError):
    """A Python function raised an exception."""

    code = 4001
    name = "function_raised"


class FunctionDied(FunctionError):
    """The process of a Python function ended."""

    code = 4002
    name = "function_died"


class FunctionTimeout(FunctionError):
    """A Python function used more than its time budget."""

    code = 4003
    name = "function_timeout"


class FunctionResult(FunctionError):
    """A Python function gave back a result of the wrong type or length."""

    code = 4004
    name = "function_result"


class FunctionLoad(FunctionError):
    """A Python function's file cannot be loaded."""

    code = 4005
    name = "function_load"


class FunctionStoppedRun(FunctionError):
    """A Python function with on_error = 'fail' failed."""

    code = 4006
    name = "function_stopped_run"


class SourceUnavailable(OutsideError):
    """A source cannot be read now."""

    code = 5001
    name = "source_unavailable"


class SinkUnavailable(OutsideError):
    """A sink cannot be written now."""

    code = 5002
    name = "sink_unavailable"


class IoError(OutsideError):
    """A file or directory cannot be read or written."""

    code = 5003
    name = "io_error"


class DiskFull(OutsideError):
    """The disk is full."""

    code = 5004
    name = "disk_full"


class CommitRejected(OutsideError):
    """A sink's system refused a commit."""

    code = 5005
    name = "commit_rejected"


class CommitUnknown(OutsideError):
    """It is not known whether a sink's system took a commit."""

    code = 5006
    name = "commit_unknown"


class CorruptState(OutsideError):
    """A file of the state directory is not as it was written."""

    code = 5007
    name = "corrupt_state"


class StateMismatch(OutsideError):
    """The state directory belongs to another pipeline or version."""

    code = 5008
    name = "state_mismatch"


class StateLocked(OutsideError):
    """Another process uses the state directory."""

    code = 5009
    name = "state_locked"


class Unauthorized(RequestError):
    """No token, or an unknown token, was given."""

    code = 6001
    name = "unauthorized"


class Forbidden(RequestError):
    """The token's role does not allow this."""

    code = 6002
    name = "forbidden"


class NotFound(RequestError):
    """There is nothing at this address."""

    code = 6003
    name = "not_found"


class BadRequest(RequestError):
    """A request is not of the agreed form."""

    code = 6004
    name = "bad_request"


class KeyReused(RequestError):
    """An idempotency key came again with another body."""

    code = 6005
    name = "key_reused"


class TooLarge(RequestError):
    """A request's body is over the limit."""

    code = 6006
    name = "too_large"


class Overloaded(RequestError):
    """The engine takes no more rows for the moment."""

    code = 6007
    name = "overloaded"


class Stopping(RequestError):
    """The engine is stopping."""

    code = 6008
    name = "stopping"


class PortInUse(RequestError):
    """The address to listen on is taken."""

    code = 6009
    name = "port_in_use"


class BadOrigin(RequestError):
    """The Host or Origin header is not one of this engine's."""

    code = 6010
    name = "bad_origin"


class QueryFailed(RequestError):
    """An ad-hoc query failed."""

    code = 6011
    name = "query_failed"


class MethodNotAllowed(RequestError):
    """This address does not take this method."""

    code = 6012
    name = "method_not_allowed"


class NotAcceptable(RequestError):
    """None of the asked-for media types can be given."""

    code = 6013
    name = "not_acceptable"


class UnsupportedMedia(RequestError):
    """A request's body is of a media type or encoding that this address does not take."""

    code = 6014
    name = "unsupported_media"


class Internal(InternalError):
    """A bug in Headrace."""

    code = 9001
    name = "internal"


BY_CODE: dict[int, type[HeadraceError]] = {
    1001: BadConfig,
    1002: UnknownOption,
    1003: BadProject,
    1004: BadDuration,
    1005: BadContract,
    1006: MissingVariable,
    2001: SyntaxError,
    2002: UnknownRelation,
    2003: UnknownColumn,
    2004: BindError,
    2005: DuplicateName,
    2006: UnsupportedSql,
    2007: UnknownFunction,
    2010: ChangelogMismatch,
    2011: MissingWatermark,
    2012: KeyMismatch,
    2013: Nondeterministic,
    2014: BadTimeColumn,
    2015: UnboundedState,
    3001: MalformedRecord,
    3002: WrongType,
    3003: OutOfRange,
    3004: MissingField,
    3005: ExtraField,
    3006: InvalidUtf8,
    3007: FutureTime,
    3008: ExpectationFailed,
    3009: LateRow,
    3010: ExpressionFailed,
    3011: TruncatedInput,
    3012: UnsupportedChange,
    4001: FunctionRaised,
    4002: FunctionDied,
    4003: FunctionTimeout,
    4004: FunctionResult,
    4005: FunctionLoad,
    4006: FunctionStoppedRun,
    5001: SourceUnavailable,
    5002: SinkUnavailable,
    5003: IoError,
    5004: DiskFull,
    5005: CommitRejected,
    5006: CommitUnknown,
    5007: CorruptState,
    5008: StateMismatch,
    5009: StateLocked,
    6001: Unauthorized,
    6002: Forbidden,
    6003: NotFound,
    6004: BadRequest,
    6005: KeyReused,
    6006: TooLarge,
    6007: Overloaded,
    6008: Stopping,
    6009: PortInUse,
    6010: BadOrigin,
    6011: QueryFailed,
    6012: MethodNotAllowed,
    6013: NotAcceptable,
    6014: UnsupportedMedia,
    9001: Internal,
}


def error_of(code: int, message: str, *, remedy: str = "", at: str = "") -> HeadraceError:
    """Makes the exception that belongs to `code`; an unknown code gives an InternalError.

    >>> type(error_of(6003, "nothing here")).__name__
    'NotFound'
    """
    return BY_CODE.get(code, Internal)(message, remedy=remedy, at=at)
