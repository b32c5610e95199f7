"""What one server process works with, for REST and live sessions alike."""

from __future__ import annotations

from facemotion.service.guard.admission import Admission
from facemotion.service.guard.limits import AnalysisQueue
from facemotion.service.operations import Operations
from facemotion.service.settings import ServiceSettings
from facemotion.service.studies import Studies


class ServiceContext:
    """Everything that answering a request takes; one object a server process.

    Args:
        operations: what the service does for a caller.
        settings: of the service.

    Attributes:
        operations: see above.
        settings: see above.
        metrics: where requests, attempts and frames are counted.
        analysis: the threads that analyse clips and frames, and the requests that wait for them.
        admission: who a request comes from.
        studies: clips of people who take part in one.
    """

    def __init__(self, operations: Operations, settings: ServiceSettings) -> None:
        self.operations = operations
        self.settings = settings
        self.metrics = operations.metrics
        self.analysis = AnalysisQueue(settings.limits)
        self.admission = Admission(operations.keys, settings)
        self.studies = Studies(operations.database, operations.sessions, settings.study)
