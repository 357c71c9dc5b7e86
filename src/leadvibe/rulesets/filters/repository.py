"""The inorganic filters of an OU."""

from leadvibe.rulesets.models import InorganicFilter
from leadvibe.rulesets.repository import ConfigurationRepository


class InorganicFilterRepository(ConfigurationRepository[InorganicFilter]):
    model = InorganicFilter
    id_name = "filter_id"
    id_prefix = "fl"
    limit = "max_filters"
    noun = "filters in this OU"
