"""Whose data the current call is about."""

from __future__ import annotations

from contextvars import Context, ContextVar

from sqlalchemy import BindParameter, bindparam

#: The tenant of every call until credentials say otherwise.
DEFAULT_TENANT = "default"

_tenant: ContextVar[str] = ContextVar("rapport_tenant")


def set_tenant(tenant_id: str) -> None:
    """Bind the current task, and the tasks it starts, to a tenant."""
    _tenant.set(tenant_id)


def current_tenant() -> str:
    """Return the current call's tenant. Raises LookupError outside a call: there is no tenant by accident."""
    return _tenant.get()


#: The current call's tenant as a statement's parameter: `table.c.tenant_id == THIS_TENANT`. Row-level security binds every
#: statement to the tenant anyway; naming it lets a distributed database send the statement to the one node that has the rows.
THIS_TENANT: BindParameter[str] = bindparam("this_tenant", callable_=current_tenant)


def of_nobody(tenant_id: str) -> Context:
    """Return a context with nothing but the tenant: for work that outlives the call that began it, and its deadline."""
    context = Context()
    context.run(set_tenant, tenant_id)
    return context
