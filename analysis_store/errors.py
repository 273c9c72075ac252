"""All errors of the package. A message says what the function got, what it expected and what to do next.

::

    AnalysisStoreError
    ├── InvalidDataError (ValueError)          a value, or its structure, cannot be stored
    ├── InvalidMetadataError (ValueError)      ``md`` has a value that a document cannot hold
    ├── InvalidDocumentError (ValueError)      a document, or a stream of documents, is invalid
    ├── ProvenanceError (ValueError)           the provenance of a result is incomplete
    ├── PolicyError (ValueError)               a policy is invalid, or would be loosened
    ├── QueryError (ValueError)                a query is invalid
    ├── SettingsError (ValueError)             ``analysis_store.toml`` or an argument of the store is wrong
    ├── PairError (ValueError)                 a writer or handler breaks the contract of pairs
    │   └── DuplicateSpecError                 the spec is registered already
    ├── CodecError (ValueError)                a codec breaks the contract of codecs, or its name is registered
    ├── ProcessorError (ValueError)            a processor, preset or pipeline is invalid, or its id is registered
    │   └── ParameterError                     a value violates the schema of its parameter
    ├── ExportError (ValueError)               a format cannot hold the selected values, or is unknown
    │   └── TargetExistsError (FileExistsError) the file exists already
    ├── UnknownSpecError (LookupError)         no handler is known for a spec
    ├── UnknownTypeError (LookupError)         no codec is known for a type in a file
    ├── UnknownProcessorError (LookupError)    no processor of this id and version is registered
    ├── RunNotFoundError (LookupError)         no such run
    │   └── AmbiguousUidError                  a prefix matches several runs
    ├── StreamNotFoundError (LookupError)      no such stream in the run
    ├── KeyNotFoundError (LookupError)         no such data key in the stream
    ├── NoDefaultStoreError (LookupError)      no store was given and none is set
    ├── DuplicateRunError (ValueError)         the uid is already in the store
    ├── InputError (RuntimeError)              a run or file cannot be an input: unfinished, retracted, unreadable
    ├── RunClosedError (RuntimeError)          the open run has ended
    ├── StoreClosedError (RuntimeError)        the store was closed, or opened before a fork
    ├── StoreWriteError (OSError)              the disk, a permission or the database refused a write
    │   └── StoreBusyError (TimeoutError)      another process holds the lock
    ├── StoreVersionError (ValueError)         written by a newer version of the package
    ├── DamagedFileError (OSError)             a file is missing, truncated or changed
    ├── UnsafeFileError (OSError)              a file or document refers to a forbidden place
    ├── TooLargeError (MemoryError)            reading needs more memory than is available
    └── MissingDependencyError (ImportError)   an extra is not installed

`RetractedWarning` (UserWarning) is a warning, not an error.
"""

from __future__ import annotations


class AnalysisStoreError(Exception):
    """Base class of all errors of the package."""


class InvalidDataError(AnalysisStoreError, ValueError):
    """A value, or its structure, cannot be stored; ``index`` is the event, if the error concerns one event."""

    def __init__(self, message: str = "", index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class InvalidMetadataError(AnalysisStoreError, ValueError):
    """Metadata have a value that a start or descriptor document cannot hold."""


class InvalidDocumentError(AnalysisStoreError, ValueError):
    """A document, or a stream of documents, violates event-model's rules."""


class ProvenanceError(AnalysisStoreError, ValueError):
    """The provenance of a result is missing or cannot be verified."""


class PolicyError(AnalysisStoreError, ValueError):
    """A policy is invalid, or would loosen the policy of the store."""


class QueryError(AnalysisStoreError, ValueError):
    """A query is invalid."""


class SettingsError(AnalysisStoreError, ValueError):
    """A setting of the store is invalid."""


class PairError(AnalysisStoreError, ValueError):
    """A writer or a handler breaks the contract of pairs."""


class DuplicateSpecError(PairError):
    """The spec is already registered for another class."""


class CodecError(AnalysisStoreError, ValueError):
    """A codec breaks the contract of codecs, or its name is registered for another class."""


class ProcessorError(AnalysisStoreError, ValueError):
    """A processor, preset or pipeline is invalid, or its id and version are registered already."""


class ParameterError(ProcessorError):
    """A parameter is unknown or missing, or its value violates the schema."""


class ExportError(AnalysisStoreError, ValueError):
    """A format cannot hold the run or the selected part, or the format is unknown."""


class TargetExistsError(ExportError, FileExistsError):
    """An export would overwrite a file without ``overwrite=True``."""


class UnknownSpecError(AnalysisStoreError, LookupError):
    """No handler is known for a spec."""


class UnknownTypeError(AnalysisStoreError, LookupError):
    """No codec is known for the type that a file names."""


class UnknownProcessorError(AnalysisStoreError, LookupError):
    """No processor of this id and version is registered."""


class RunNotFoundError(AnalysisStoreError, LookupError):
    """There is no such run."""


class AmbiguousUidError(RunNotFoundError):
    """A prefix matches several runs."""


class StreamNotFoundError(AnalysisStoreError, LookupError):
    """The run has no such stream."""


class KeyNotFoundError(AnalysisStoreError, LookupError):
    """The stream has no such data key."""


class NoDefaultStoreError(AnalysisStoreError, LookupError):
    """No store was given, and no default store is set."""


class DuplicateRunError(AnalysisStoreError, ValueError):
    """The store already has a run with this uid."""


class InputError(AnalysisStoreError, RuntimeError):
    """A run or file cannot be an input: it has not ended, was retracted, or cannot be read."""


class RunClosedError(AnalysisStoreError, RuntimeError):
    """The open run has ended; no event can be added."""


class StoreClosedError(AnalysisStoreError, RuntimeError):
    """The store was closed, or was opened before a fork."""


class StoreWriteError(AnalysisStoreError, OSError):
    """The disk, a permission or the database refused a write; no partial data are left."""


class StoreBusyError(StoreWriteError, TimeoutError):
    """Another process held the lock for longer than the store waits."""


class StoreVersionError(AnalysisStoreError, ValueError):
    """A store or file was written by a newer version of the package."""


class DamagedFileError(AnalysisStoreError, OSError):
    """A file is missing, truncated, or changed since it was written."""


class UnsafeFileError(AnalysisStoreError, OSError):
    """A file or document refers to a forbidden place."""


class TooLargeError(AnalysisStoreError, MemoryError):
    """Reading the whole value needs more memory than is available."""


class MissingDependencyError(AnalysisStoreError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class RetractedWarning(UserWarning):
    """A retracted run is read, or a result derived from it is saved.

    Parameters
    ----------
    message : str
        The text of the warning.
    uid : str
        The run.
    reason : str
        Why the run must not be used.
    who : str
        Who retracted it: ``user@host``.
    """

    def __init__(self, message: str, uid: str = "", reason: str = "", who: str = "") -> None:
        super().__init__(message)
        self.uid: str = uid
        self.reason: str = reason
        self.who: str = who
