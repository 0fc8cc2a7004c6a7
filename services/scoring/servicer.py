"""Answers ScoringService's calls, each part of them in its own file."""

from __future__ import annotations

from rapport.scoring.v1 import scoring_service_pb2_grpc

from services.scoring.servicer_customers import CustomerCalls
from services.scoring.servicer_grades import GradeCalls
from services.scoring.servicer_models import ModelCalls
from services.scoring.servicer_policy import PolicyCalls
from services.scoring.servicer_queue import QueueCalls
from services.scoring.servicer_rebuild import RebuildCalls


class ScoringServicer(
    GradeCalls,
    PolicyCalls,
    CustomerCalls,
    ModelCalls,
    QueueCalls,
    RebuildCalls,
    scoring_service_pb2_grpc.ScoringServiceServicer,
):
    """Grades and scores from the rollups, as they are at one moment, and keeps the rollups right."""
