#!/bin/sh
wsk rule delete app-feedback-triage
wsk trigger delete app-feedback
wsk action delete app/triage
wsk action delete app/api
wsk package delete app
