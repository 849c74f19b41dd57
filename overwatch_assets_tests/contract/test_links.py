"""Change records name entities and links: what a table is linked by has to be among them, else no change finds it."""

from overwatch_assets.contract import Linked
from overwatch_assets.contract.registry import modules, tables


def test_what_tables_are_linked_by_is_in_their_inputs_change_records() -> None:
    unknown = [
        f"{table.name} is linked to {name} by {role.key}, which is not in its records"
        for table in modules()
        for name, roles in table.inputs.items()
        for role in roles
        if isinstance(role, Linked) and not set(role.key) <= {*tables()[name].entity, *tables()[name].links}
    ]
    assert unknown == []
