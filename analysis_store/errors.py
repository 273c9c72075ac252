"""Every deliberate error of the package. A message says what came, what was expected, what to do next.

::

    AnalysisStoreError
    ├── InvalidDataError (ValueError)          a value or its arrangement cannot be stored
    ├── InvalidMetadataError (ValueError)      ``md`` holds what a document cannot
    ├── InvalidDocumentError (ValueError)      a document or a stream of documents breaks the rules
    ├── ProvenanceError (ValueError)           the origin of a result is not told well enough
    ├── PolicyError (ValueError)               a policy is not a policy, or would be loosened
    ├── QueryError (ValueError)                a search that cannot be understood
    ├── SettingsError (ValueError)             ``analysis_store.toml`` or an argument of the store is wrong
    ├── PairError (ValueError)                 a writer or handler breaks the contract of pairs
    │   └── DuplicateSpecError                 the spec is taken
    ├── CodecError (ValueError)                a codec breaks the contract of codecs, or its name is taken
    ├── ProcessorError (ValueError)            a processor, preset or pipeline that cannot be one, or whose id is taken
    │   └── ParameterError                     a value breaks the schema of its parameter
    ├── ExportError (ValueError)               a format cannot hold what was asked for, or is not known
    │   └── TargetExistsError (FileExistsError) the file is there already
    ├── UnknownSpecError (LookupError)         no handler is known for a spec
    ├── UnknownTypeError (LookupError)         no codec is known for a type in a file
    ├── UnknownProcessorError (LookupError)    no processor of this id and version is registered
    ├── RunNotFoundError (LookupError)         no such run
    │   └── AmbiguousUidError                  a prefix that fits several runs
    ├── StreamNotFoundError (LookupError)      no such stream in the run
    ├── KeyNotFoundError (LookupError)         no such data key in the stream
    ├── NoDefaultStoreError (LookupError)      no store was given and none is set
    ├── DuplicateRunError (ValueError)         the uid is already in the store
    ├── InputError (RuntimeError)              a run or file cannot be an input: unfinished, retracted, unreadable
    ├── RunClosedError (RuntimeError)          the open run has ended
    ├── StoreClosedError (RuntimeError)        the store was closed, or came over a fork
    ├── StoreWriteError (OSError)              the disk, a permission or the database refused a write
    │   └── StoreBusyError (TimeoutError)      somebody else holds the lock
    ├── StoreVersionError (ValueError)         made by a newer version of the package
    ├── DamagedFileError (OSError)             a file is missing, cut short or not what it was
    ├── UnsafeFileError (OSError)              a file or document reaches where it may not
    ├── TooLargeError (MemoryError)            reading it would take more than there is
    └── MissingDependencyError (ImportError)   an extra is not installed

What is no error, yet must be seen, is a warning: `RetractedWarning` (UserWarning).
"""

from __future__ import annotations


class AnalysisStoreError(Exception):
    """Base of every error that the package raises on purpose."""


class InvalidDataError(AnalysisStoreError, ValueError):
    """A value, or the arrangement of values, that cannot be stored; ``index`` is its event, where it is one event's."""

    def __init__(self, message: str = "", index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class InvalidMetadataError(AnalysisStoreError, ValueError):
    """Metadata that a start or descriptor document cannot hold."""


class InvalidDocumentError(AnalysisStoreError, ValueError):
    """A document, or a stream of documents, that breaks event-model's rules."""


class ProvenanceError(AnalysisStoreError, ValueError):
    """The origin of a result is unknown or cannot be verified."""


class PolicyError(AnalysisStoreError, ValueError):
    """A policy that is not one, or that would loosen the policy of the store."""


class QueryError(AnalysisStoreError, ValueError):
    """A search that cannot be understood."""


class SettingsError(AnalysisStoreError, ValueError):
    """A setting of the store that cannot be used."""


class PairError(AnalysisStoreError, ValueError):
    """A writer or a handler that breaks the contract of pairs."""


class DuplicateSpecError(PairError):
    """The spec belongs to another class already."""


class CodecError(AnalysisStoreError, ValueError):
    """A codec that breaks the contract of codecs, or whose name belongs to another class."""


class ProcessorError(AnalysisStoreError, ValueError):
    """A processor, preset or pipeline that cannot be one, or whose id and version belong to another."""


class ParameterError(ProcessorError):
    """A parameter that is not known, is missing, or whose value breaks its schema."""


class ExportError(AnalysisStoreError, ValueError):
    """A run, or the part of one that was asked for, that a format cannot hold; or a format that is not known."""


class TargetExistsError(ExportError, FileExistsError):
    """An export would overwrite a file, and was not told to."""


class UnknownSpecError(AnalysisStoreError, LookupError):
    """No handler is known for a spec."""


class UnknownTypeError(AnalysisStoreError, LookupError):
    """No codec is known for the type that a file names."""


class UnknownProcessorError(AnalysisStoreError, LookupError):
    """No processor of this id and version is registered."""


class RunNotFoundError(AnalysisStoreError, LookupError):
    """No run answers to what was asked for."""


class AmbiguousUidError(RunNotFoundError):
    """A prefix that fits several runs."""


class StreamNotFoundError(AnalysisStoreError, LookupError):
    """The run has no such stream."""


class KeyNotFoundError(AnalysisStoreError, LookupError):
    """The stream has no such data key."""


class NoDefaultStoreError(AnalysisStoreError, LookupError):
    """No store was given, and no default store is set."""


class DuplicateRunError(AnalysisStoreError, ValueError):
    """A run of this uid is in the store already."""


class InputError(AnalysisStoreError, RuntimeError):
    """A run or file that cannot be an input: it has not ended, was retracted, or cannot be read."""


class RunClosedError(AnalysisStoreError, RuntimeError):
    """The open run has ended; nothing can be added to it."""


class StoreClosedError(AnalysisStoreError, RuntimeError):
    """The store was closed, or belongs to the process that forked this one."""


class StoreWriteError(AnalysisStoreError, OSError):
    """The disk, a permission or the database refused a write; nothing of it stayed."""


class StoreBusyError(StoreWriteError, TimeoutError):
    """Somebody else held the lock for longer than the store waits."""


class StoreVersionError(AnalysisStoreError, ValueError):
    """Made by a newer version of the package than this one."""


class DamagedFileError(AnalysisStoreError, OSError):
    """A file that is missing, cut short, or not what it was when it was written."""


class UnsafeFileError(AnalysisStoreError, OSError):
    """A file or document that reaches where it may not."""


class TooLargeError(AnalysisStoreError, MemoryError):
    """Reading the value whole would take more memory than there is."""


class MissingDependencyError(AnalysisStoreError, ImportError):
    """An optional dependency is not installed; the message names the extra."""


class RetractedWarning(UserWarning):
    """A run is read, or a result of it saved, that somebody said shall not be used any more.

    Parameters
    ----------
    message : str
        What happens.
    uid : str
        The run.
    reason : str
        Why it shall not be used.
    who : str
        Who said so: ``user@host``.
    """

    def __init__(self, message: str, uid: str = "", reason: str = "", who: str = "") -> None:
        super().__init__(message)
        self.uid: str = uid
        self.reason: str = reason
        self.who: str = who
