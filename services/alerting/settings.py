"""Settings of the alerting service."""

from __future__ import annotations

from email.utils import parseaddr
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from services.alerting.telling import deliver_pagerduty
from services.alerting.telling.addresses import complaint
from services.alerting.telling.deliver_email import MailServer
from services.alerting.telling.delivery import Receivers
from services.runtime.settings import ServiceSettings, is_loopback


class AlertingSettings(ServiceSettings):
    """What the alerting service needs to know, from the environment (`RAPPORT_…`)."""

    port: int = 50054
    ingest_address: str = Field("127.0.0.1:50051", description="where the ingest service is asked whether it works")
    scoring_address: str = Field("127.0.0.1:50052", description="where the scoring service is asked whether it works")
    query_address: str = Field("127.0.0.1:50053", description="where the query service is asked whether it works")
    alerting_address: str = Field("127.0.0.1:50054", description="where this service is asked whether it works")
    allow_local_receivers: bool = Field(
        False, description="whether notifications may go to this machine itself, and by http; for development only"
    )
    pagerduty_url: str = Field(deliver_pagerduty.URL, description="where events for PagerDuty go, such as its European address")
    smtp_host: str = Field("", description="the server that e-mail is given to; empty sends none")
    smtp_port: int = Field(587, ge=1, le=65535, description="that server's port")
    smtp_user: str = Field("", description="the login at that server; empty does not log in")
    smtp_password: SecretStr = Field(SecretStr(""), repr=False, description="the password of that login")
    smtp_from: str = Field("", validate_default=True, description="the sender of e-mail, such as Rapport <rapport@example.com>")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="starttls, tls (from the first byte) or none (in the clear)"
    )

    @field_validator("allow_local_receivers")
    @classmethod
    def _is_for_development(cls, allowed: bool, info: ValidationInfo) -> bool:
        if allowed and not is_loopback(info.data.get("host", "")):
            raise ValueError("may be set only where the service listens on loopback without credentials")
        return allowed

    @field_validator("pagerduty_url")
    @classmethod
    def _may_be_called(cls, url: str, info: ValidationInfo) -> str:
        found = complaint(url, allow_local=info.data.get("allow_local_receivers", False))
        if found is not None:
            raise ValueError(found)
        return url

    @field_validator("smtp_from")
    @classmethod
    def _has_an_address(cls, sender: str, info: ValidationInfo) -> str:
        if sender and "@" not in parseaddr(sender)[1]:
            raise ValueError("must have an address in it")
        if info.data.get("smtp_host") and not sender:
            raise ValueError("must be set beside a mail server")
        return sender

    def probed(self) -> dict[str, str]:
        """Return the services whose health is asked for, with their addresses."""
        return {
            "ingest": self.ingest_address,
            "scoring": self.scoring_address,
            "query": self.query_address,
            "alerting": self.alerting_address,
        }

    def receivers(self) -> Receivers:
        """Return what notifications may go to, and by what."""
        mail = MailServer(
            host=self.smtp_host,
            port=self.smtp_port,
            user=self.smtp_user,
            password=self.smtp_password.get_secret_value(),
            sender=self.smtp_from,
            tls=self.smtp_tls,
        )
        return Receivers(allow_local=self.allow_local_receivers, pagerduty_url=self.pagerduty_url, mail=mail)
