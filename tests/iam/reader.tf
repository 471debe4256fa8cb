variable "hub_principal_arn" {
  type        = string
  description = "ARN of the role that the exporter runs as"
  default     = "arn:aws:iam::100000000000:role/team/exporter"
}

variable "external_id" {
  type        = string
  description = "The exporter's external_id for these roles"
}

resource "aws_iam_role" "reader" {
  name        = "macie-invitations-reader"
  path        = "/"
  description = "Lets macie-invitations-exporter list Macie invitations."
  assume_role_policy = jsonencode({
    "Version" : "2012-10-17",
    "Statement" : [
      {
        "Sid" : "LetTheExporterIn",
        "Effect" : "Allow",
        "Principal" : {
          "AWS" : "${var.hub_principal_arn}"
        },
        "Action" : "sts:AssumeRole",
        "Condition" : {
          "StringEquals" : {
            "sts:ExternalId" : "${var.external_id}"
          }
        }
      }
    ]
  })
}

resource "aws_iam_role_policy" "reader" {
  name = "read-invitations"
  role = aws_iam_role.reader.id
  policy = jsonencode({
    "Version" : "2012-10-17",
    "Statement" : [
      {
        "Sid" : "ReadInvitations",
        "Effect" : "Allow",
        "Action" : "macie2:ListInvitations",
        "Resource" : "*"
      }
    ]
  })
}

output "reader_role_arn" {
  value = aws_iam_role.reader.arn
}
