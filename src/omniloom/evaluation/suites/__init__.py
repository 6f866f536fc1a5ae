"""Suites: whatever `omniloom evaluate` can run, each from one file, all with one report."""

from omniloom.evaluation.suites.catalogue import add_suite as add_suite
from omniloom.evaluation.suites.catalogue import load_suite_file as load_suite_file
from omniloom.evaluation.suites.catalogue import suite as suite
from omniloom.evaluation.suites.catalogue import suites as suites
from omniloom.evaluation.suites.items import Items as Items
from omniloom.evaluation.suites.items import read_items as read_items
from omniloom.evaluation.suites.report import SuiteReport as SuiteReport
from omniloom.evaluation.suites.report import SuiteRow as SuiteRow
from omniloom.evaluation.suites.report import load_reports as load_reports
from omniloom.evaluation.suites.report import save_reports as save_reports
from omniloom.evaluation.suites.report import suite_table as suite_table
from omniloom.evaluation.suites.subject import Checkpoint as Checkpoint
from omniloom.evaluation.suites.subject import Endpoint as Endpoint
from omniloom.evaluation.suites.subject import Subject as Subject
from omniloom.evaluation.suites.subject import Transformers as Transformers
from omniloom.evaluation.suites.suite import Job as Job
from omniloom.evaluation.suites.suite import Suite as Suite
