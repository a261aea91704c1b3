# Mixed models of real crowd ratings, which are not in this repository, by lme4 and ordinal; compared in
# tests/analysis/test_mixed_findings.py where the ratings are at hand.
# R 4.2.2, lme4 1.1-31, ordinal 2022.11-16, jsonlite 1.8.4; in this folder:
#   Rscript mixed_scratchplot.R FOLDER_WITH_THE_CSVS > mixed_scratchplot.json
suppressPackageStartupMessages({ library(lme4); library(ordinal) })

folder <- commandArgs(trailingOnly = TRUE)[1]
strict <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), calc.derivs = FALSE)

describe <- function(name) {
  rows <- read.csv(file.path(folder, paste0(name, ".csv")), check.names = FALSE)
  ratings <- data.frame(
    system = factor(rows[["INPUT:system"]]),
    item = factor(rows[["INPUT:content_plan_id"]]),
    worker = factor(rows[["worker"]]),
    value = rows[["OUTPUT:category"]]
  )
  ratings$completion <- interaction(ratings$item, ratings$system, drop = TRUE)
  model <- suppressMessages(lmer(
    value ~ system + (1 | completion) + (1 | item) + (1 | worker), ratings, control = strict
  ))
  components <- as.data.frame(VarCorr(model))
  ratings$value <- factor(ratings$value)
  ordinal <- clmm(value ~ system + (1 | completion) + (1 | item) + (1 | worker), data = ratings)
  list(
    deviance = REMLcrit(model),
    variances = as.list(setNames(components$vcov, components$grp)),
    differences = unname(fixef(model)[-1]),
    log_likelihood = as.numeric(logLik(ordinal)),
    log_odds = unname(ordinal$beta)
  )
}

names <- c("coherence", "coherence-new", "interestingness", "interestingness-new", "naturalness", "naturalness-new")
results <- sapply(names, describe, simplify = FALSE)
cat(jsonlite::toJSON(results, digits = 6, auto_unbox = TRUE, pretty = TRUE), "\n")
