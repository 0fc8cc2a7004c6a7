"""Amounts of money: which currencies there are, and how finely each is divided.

Source: ISO 4217, list one, active codes of funds left out.
"""

from __future__ import annotations

from decimal import Decimal

_HUNDREDTHS = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK
DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK
LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR
RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED
VES WST XCD XCG YER ZAR ZMW ZWG
"""
_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"

#: Decimal places of the minor unit by ISO 4217 code.
MINOR_UNITS = dict.fromkeys(_HUNDREDTHS.split(), 2) | dict.fromkeys(_WHOLE.split(), 0) | dict.fromkeys(_THOUSANDTHS.split(), 3)


#: No single amount is greater: what is, is a mistake, and would drown everybody's means.
LARGEST = Decimal(10) ** 12


def is_currency(code: str) -> bool:
    """Return whether `code` is a currency that money can be kept in."""
    return code in MINOR_UNITS


def is_finer_than_minor_unit(amount: Decimal, code: str) -> bool:
    """Return whether an amount has decimals that its currency has not."""
    exponent = amount.normalize().as_tuple().exponent
    return isinstance(exponent, int) and -exponent > MINOR_UNITS[code]


def from_units_and_nanos(units: int, nanos: int) -> Decimal:
    """Return google.type.Money's amount exactly."""
    return Decimal(units) + Decimal(nanos).scaleb(-9)


def from_shortest_decimal(value: float) -> Decimal:
    """Return the decimal number that a JSON number was written as: the shortest one that is read as the same double."""
    return Decimal(repr(value))
