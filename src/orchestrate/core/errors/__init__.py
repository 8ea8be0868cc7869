"""Every error of this program: one tree, one code a class, and codes never change.

    OrchestrateError
      PermanentError       the same call will fail again
        UsageProblem       what was asked for is wrong: names, versions, options (exit code 2)
        Refused            understood, and not allowed as things stand
        StepFailed         a step of a deployment ended badly
      TemporaryError       worth trying again, after `retry_after_s`
      NoDataError          neither pass nor fail: the answer is not known

`message` is one sentence, `why` holds facts, `fix` holds what to do next, commands as they can be
pasted. Only the outermost layer (a door of the service, the CLI) prints or exits.
"""

from orchestrate.core.errors.base import NoDataError as NoDataError
from orchestrate.core.errors.base import OrchestrateError as OrchestrateError
from orchestrate.core.errors.base import PermanentError as PermanentError
from orchestrate.core.errors.base import TemporaryError as TemporaryError
from orchestrate.core.errors.failed import AnalysisAbort as AnalysisAbort
from orchestrate.core.errors.failed import Cancelled as Cancelled
from orchestrate.core.errors.failed import DeadlineExceeded as DeadlineExceeded
from orchestrate.core.errors.failed import EdgeFailed as EdgeFailed
from orchestrate.core.errors.failed import ExitedAtOnce as ExitedAtOnce
from orchestrate.core.errors.failed import FencedOut as FencedOut
from orchestrate.core.errors.failed import FieldConflict as FieldConflict
from orchestrate.core.errors.failed import KeyUnusable as KeyUnusable
from orchestrate.core.errors.failed import MetricsUnavailable as MetricsUnavailable
from orchestrate.core.errors.failed import MigrationFailed as MigrationFailed
from orchestrate.core.errors.failed import NotTakenBack as NotTakenBack
from orchestrate.core.errors.failed import NoVerdict as NoVerdict
from orchestrate.core.errors.failed import OutboundFailed as OutboundFailed
from orchestrate.core.errors.failed import PortTaken as PortTaken
from orchestrate.core.errors.failed import RateLimited as RateLimited
from orchestrate.core.errors.failed import ReportInvalid as ReportInvalid
from orchestrate.core.errors.failed import SecretSourceDown as SecretSourceDown
from orchestrate.core.errors.failed import ServiceUnreachable as ServiceUnreachable
from orchestrate.core.errors.failed import StepFailed as StepFailed
from orchestrate.core.errors.failed import StoreDamaged as StoreDamaged
from orchestrate.core.errors.failed import StoreUnreachable as StoreUnreachable
from orchestrate.core.errors.failed import Unhealthy as Unhealthy
from orchestrate.core.errors.failed import VerificationFailed as VerificationFailed
from orchestrate.core.errors.refused import ApprovalExpired as ApprovalExpired
from orchestrate.core.errors.refused import ApprovalInvalid as ApprovalInvalid
from orchestrate.core.errors.refused import ApprovalRejected as ApprovalRejected
from orchestrate.core.errors.refused import ApprovalRequired as ApprovalRequired
from orchestrate.core.errors.refused import ArtifactInvalid as ArtifactInvalid
from orchestrate.core.errors.refused import ArtifactMissing as ArtifactMissing
from orchestrate.core.errors.refused import BaselineUnhealthy as BaselineUnhealthy
from orchestrate.core.errors.refused import DiskFull as DiskFull
from orchestrate.core.errors.refused import EnvironmentBusy as EnvironmentBusy
from orchestrate.core.errors.refused import Forbidden as Forbidden
from orchestrate.core.errors.refused import LastAdministrator as LastAdministrator
from orchestrate.core.errors.refused import MasterKeyInvalid as MasterKeyInvalid
from orchestrate.core.errors.refused import MasterKeyMissing as MasterKeyMissing
from orchestrate.core.errors.refused import MetricsInvalid as MetricsInvalid
from orchestrate.core.errors.refused import MetricsMissing as MetricsMissing
from orchestrate.core.errors.refused import MetricSourceRefused as MetricSourceRefused
from orchestrate.core.errors.refused import Misdirected as Misdirected
from orchestrate.core.errors.refused import NoRollbackTarget as NoRollbackTarget
from orchestrate.core.errors.refused import NotApprover as NotApprover
from orchestrate.core.errors.refused import NothingToDo as NothingToDo
from orchestrate.core.errors.refused import NotNow as NotNow
from orchestrate.core.errors.refused import NotRestorable as NotRestorable
from orchestrate.core.errors.refused import OutboundRefused as OutboundRefused
from orchestrate.core.errors.refused import PlanChanged as PlanChanged
from orchestrate.core.errors.refused import ProviderConfigInvalid as ProviderConfigInvalid
from orchestrate.core.errors.refused import ProviderUnavailable as ProviderUnavailable
from orchestrate.core.errors.refused import Quarantined as Quarantined
from orchestrate.core.errors.refused import ReadOnly as ReadOnly
from orchestrate.core.errors.refused import Refused as Refused
from orchestrate.core.errors.refused import RotationNeeded as RotationNeeded
from orchestrate.core.errors.refused import SecretMissing as SecretMissing
from orchestrate.core.errors.refused import SecretSourceDenied as SecretSourceDenied
from orchestrate.core.errors.refused import SecretUnreadable as SecretUnreadable
from orchestrate.core.errors.refused import SelfApproval as SelfApproval
from orchestrate.core.errors.refused import SignatureInvalid as SignatureInvalid
from orchestrate.core.errors.refused import StrategyUnsupported as StrategyUnsupported
from orchestrate.core.errors.refused import Unauthenticated as Unauthenticated
from orchestrate.core.errors.refused import Unsigned as Unsigned
from orchestrate.core.errors.refused import VerdictOutOfReach as VerdictOutOfReach
from orchestrate.core.errors.refused import WindowClosed as WindowClosed
from orchestrate.core.errors.usage import AmbiguousEnvironment as AmbiguousEnvironment
from orchestrate.core.errors.usage import ConfigInvalid as ConfigInvalid
from orchestrate.core.errors.usage import ConfirmationNeeded as ConfirmationNeeded
from orchestrate.core.errors.usage import EnvironmentExists as EnvironmentExists
from orchestrate.core.errors.usage import HeadInvalid as HeadInvalid
from orchestrate.core.errors.usage import InvalidInput as InvalidInput
from orchestrate.core.errors.usage import KeyUsedOtherwise as KeyUsedOtherwise
from orchestrate.core.errors.usage import SecretInvalid as SecretInvalid
from orchestrate.core.errors.usage import UnknownApproval as UnknownApproval
from orchestrate.core.errors.usage import UnknownDeployment as UnknownDeployment
from orchestrate.core.errors.usage import UnknownEnvironment as UnknownEnvironment
from orchestrate.core.errors.usage import UnknownPerson as UnknownPerson
from orchestrate.core.errors.usage import UnknownPlan as UnknownPlan
from orchestrate.core.errors.usage import UnknownProvider as UnknownProvider
from orchestrate.core.errors.usage import UnknownStrategy as UnknownStrategy
from orchestrate.core.errors.usage import UnknownToken as UnknownToken
from orchestrate.core.errors.usage import UsageProblem as UsageProblem
from orchestrate.core.errors.usage import VersionMalformed as VersionMalformed
