"""The decay rules of an OU."""

from leadvibe.rulesets.models import Decay
from leadvibe.rulesets.repository import ConfigurationRepository


class DecayRepository(ConfigurationRepository[Decay]):
    model = Decay
    id_name = "decay_id"
    id_prefix = "dc"
    limit = "max_decays"
    noun = "decay rules in this OU"
